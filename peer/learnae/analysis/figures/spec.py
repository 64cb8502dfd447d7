"""The parts of a figure as plain data, from which PNG, SVG and web pages are drawn."""

from dataclasses import dataclass

Points = tuple[float, ...]

# Okabe and Ito's colours, which colour-blind readers can distinguish
BLUE, ORANGE, GREY = "#0072B2", "#E69F00", "#C3C8CC"
GREEN, RED, VIOLET = "#00785A", "#B34700", "#8E4585"  # darker, so that text in these colours is readable
SHADE = "#D55E00"
INK, PALE, LINE = "#2B3035", "#6C757D", "#E3E6E8"  # text, axes, grid


@dataclass(frozen=True)
class Series:
    label: str
    colour: str
    x: Points
    y: Points
    dotted: bool = False


@dataclass(frozen=True)
class ShadedBand:
    """The area from ``low`` to ``high``.  ``solid``: a share of the whole instead of a range around a mean."""

    label: str
    colour: str
    x: Points
    low: Points
    high: Points
    solid: bool = False


@dataclass(frozen=True)
class Reference:
    """The paper's number: a level, or with ``low`` and ``high`` the mean and range at the end of its session."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Shade:
    """The time of a fault, in session seconds."""

    label: str
    begin: float
    end: float


@dataclass(frozen=True)
class Figure:
    """``name``: the name of its file.  ``percent``: y is a share, shown in percent.  ``grounded``: y begins at 0.

    ``outcome``: the result of this session, in the terms of the paper's number.
    """

    name: str
    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...] = ()
    bands: tuple[ShadedBand, ...] = ()
    references: tuple[Reference, ...] = ()
    shades: tuple[Shade, ...] = ()
    percent: bool = False
    grounded: bool = True
    outcome: str = ""

    @property
    def y_range(self) -> tuple[float, float] | None:
        """0 to 1 for shares, else so that the paper's numbers are visible; None: chosen from the curves."""
        if any(band.solid for band in self.bands):
            return 0.0, 1.0
        if not self.grounded:
            return None
        drawn = [y for series in self.series for y in series.y] + [y for band in self.bands for y in band.high]
        stated = [reference.high or reference.value for reference in self.references]
        return 0.0, 1.05 * max([*drawn, *stated, 0.0]) or 1.0

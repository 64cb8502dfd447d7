"""What a figure is made of.  Plain data: PNG, SVG and web pages are drawn from the same."""

from dataclasses import dataclass

Points = tuple[float, ...]

# Okabe and Ito's colours, which every kind of eye tells apart
BLUE, ORANGE, GREY = "#0072B2", "#E69F00", "#C3C8CC"
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
    """From ``low`` to ``high``.  ``solid``: a share of the whole, not a spread around a mean."""

    label: str
    colour: str
    x: Points
    low: Points
    high: Points
    solid: bool = False


@dataclass(frozen=True)
class Reference:
    """What the paper says: a level, or with ``low`` and ``high`` the mean and range at the end of its session."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Shade:
    """Along session seconds: from when to when there was a fault."""

    label: str
    begin: float
    end: float


@dataclass(frozen=True)
class Figure:
    """``name`` is its file's.  ``percent``: y is a share, read in percent.  ``grounded``: the y axis begins at 0.

    ``outcome``: what this session came to, in the words of the paper's number.
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
        """Shares from 0 to 1; the paper's ranges always in sight.  None: as the curves have it."""
        if any(band.solid for band in self.bands):
            return 0.0, 1.0
        if not self.grounded:
            return None
        drawn = [y for series in self.series for y in series.y] + [y for band in self.bands for y in band.high]
        stated = [reference.high or reference.value for reference in self.references]
        return 0.0, 1.05 * max([*drawn, *stated, 0.0]) or 1.0

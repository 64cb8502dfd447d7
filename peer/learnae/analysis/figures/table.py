"""The data of a figure as a table: what its curves and areas are drawn from."""

from learnae.analysis.figures.spec import Figure, Points

Cell = float | None


def figure_table(figure: Figure) -> tuple[list[str], list[list[Cell]]]:
    """Heads and rows: the position on the x axis, then a column per curve and two per range.

    A share of the whole has one column, its height.  None: the curve has no value there.
    """
    columns: dict[str, tuple[Points, Points]] = {series.label: (series.x, series.y) for series in figure.series}
    for band in figure.bands:
        if band.solid:
            heights = tuple(high - low for low, high in zip(band.low, band.high, strict=True))
            columns[band.label] = band.x, heights
        else:
            columns[f"{band.label}: low"] = band.x, band.low
            columns[f"{band.label}: high"] = band.x, band.high
    values = [dict(zip(x, y, strict=True)) for x, y in columns.values()]
    positions = sorted({position for column in values for position in column})
    return [figure.x_label, *columns], [[at, *(column.get(at) for column in values)] for at in positions]

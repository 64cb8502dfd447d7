"""The colours of pages and charts: those of the figures in light mode, and their counterparts in dark mode."""

from learnae.analysis.figures.spec import BLUE, GREEN, GREY, INK, LINE, ORANGE, PALE, RED, VIOLET

LILAC = "#D9A9CF"  # ended faults; active ones are violet
PAPER, SOFT = "#FFFFFF", "#F4F6F7"
HEAT = ("#CFE3F1", "#8FC0DF", "#3D93C6", "#0072B3", "#003A5E")  # low to high

DARK = {
    BLUE: "#56B4E9",
    ORANGE: "#E6A817",
    GREY: "#4A535B",
    GREEN: "#2FBF97",
    RED: "#F0803C",
    VIOLET: "#D98FCB",
    LILAC: "#7A4A72",
    INK: "#E7EAED",
    PALE: "#9AA5AE",
    LINE: "#2A3138",
    PAPER: "#14181C",
    SOFT: "#1C2227",
    **dict(zip(HEAT, ("#274C63", "#286488", "#2E7FAE", "#56B4EA", "#C9E8FA"), strict=True)),
}

NAMES = {
    "blue": BLUE,
    "orange": ORANGE,
    "grey": GREY,
    "green": GREEN,
    "red": RED,
    "violet": VIOLET,
    "lilac": LILAC,
    "ink": INK,
    "pale": PALE,
    "line": LINE,
    "paper": PAPER,
    "soft": SOFT,
}
CLASS = {colour: name for name, colour in NAMES.items()}


def css_variables() -> str:
    """The palette as CSS."""

    def rule(colours: dict[str, str]) -> str:
        heat = ",".join(colours[colour] for colour in HEAT)
        variables = ";".join(f"--{name}:{colours[colour]}" for name, colour in NAMES.items())
        return f":root{{{variables};--heat:linear-gradient(90deg,{heat})}}"

    light = {colour: colour for colour in DARK}
    return f"{rule(light)}@media (prefers-color-scheme:dark){{{rule(DARK)}}}"

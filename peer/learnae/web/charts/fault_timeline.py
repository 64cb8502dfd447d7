"""The faults of a session: along time and as a table."""

from collections.abc import Sequence

from learnae.analysis.checks.faults import RecordedFault, recorded_faults
from learnae.analysis.figures.spec import GREY, RED, VIOLET
from learnae.records.history import Effect, FaultsPlanned, History
from learnae.web.charts.components import Charts, legend, plot, section
from learnae.web.charts.html import Html, h, table
from learnae.web.charts.plotly_layout import Chart, axes, plain, short
from learnae.web.charts.theme import LILAC

ACTIVE, APPLIED, INEFFECTIVE, NOT_ENDED = "active", "applied", "no effect", "not ended"
COLOURS = {ACTIVE: VIOLET, APPLIED: LILAC, INEFFECTIVE: GREY, NOT_ENDED: RED}
FAULT_HEADS = ("fault", "targets", "from, s", "to, s", "effect")
FAULTS_CAPTION = "Faults in the order in which they began"
MAX_NAMES = 12  # names in a list


def effect(fault: RecordedFault, history: History) -> str:
    if fault.effect is None:
        return NOT_ENDED if history.ended_by else ACTIVE
    return APPLIED if fault.effect is Effect.APPLIED else INEFFECTIVE


def targets(fault: RecordedFault) -> str:
    """The sides of a split, or the targets."""
    if fault.sides:
        return " | ".join(map(_listed, fault.sides))
    if fault.kind.shared:
        return "the chain" if fault.kind.chain else "the feed"
    return _listed(fault.targets)


def fault_rows(history: History) -> list[tuple[str, str, str, str, str]]:
    return [
        (
            _name(fault),
            targets(fault),
            f"{fault.begin:.1f}",
            "-" if fault.end is None else f"{fault.end:.1f}",
            effect(fault, history),
        )
        for fault in recorded_faults(history)
    ]


def fault_progress(history: History) -> str:
    """A sentence about how many planned faults have begun."""
    planned = next((fact.windows for _, fact in history.facts(FaultsPlanned)), None)
    if planned is None:
        if not (history.session and history.session.faults):
            return "No faults are planned in this session."
        why = "the session ended first" if history.ended_by else "the plan starts when all peers work"
        return f"No fault has begun: {why}."
    faults = recorded_faults(history)
    begun = f"{len(faults)} of {planned} faults have begun."
    active = [_name(fault) for fault in faults if effect(fault, history) == ACTIVE]
    return begun if history.ended_by else f"{begun} Active: {', '.join(active) or 'none'}."


def timeline_chart(history: History) -> Chart:
    """A bar per fault along session seconds; the bar of an active fault reaches to now."""
    faults = recorded_faults(history)
    ends = [history.seconds if fault.end is None else fault.end for fault in faults]
    trace = {
        "type": "bar",
        "orientation": "h",
        "y": [_name(fault) for fault in faults],
        "base": [short(fault.begin) for fault in faults],
        "x": [short(end - fault.begin) for fault, end in zip(faults, ends, strict=True)],
        "text": [_hover_text(fault, history) for fault in faults],
        "textposition": "none",
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {"color": [COLOURS[effect(fault, history)] for fault in faults]},
        "width": 0.2 * min(3, len(faults)),
    }
    layout = axes(
        {"range": [0, short(history.seconds) or 1], "showgrid": True},
        {"type": "category", "autorange": "reversed", "showgrid": False},
    )
    layout["margin"]["l"] = 96
    return {"data": [trace], "layout": layout}


def timeline_frame(caption: str | Html) -> Html:
    marks = legend([(ACTIVE, VIOLET, "mark"), (APPLIED, LILAC, "mark"), (INEFFECTIVE, GREY, "mark")])
    return plot("faults", "Faults over time", caption, "session time (s)", marks, kind="low")


def fault_section(history: History, charts: Charts) -> Html:
    progress = h("p", fault_progress(history))
    if not recorded_faults(history):
        return section("faults", "Faults", progress)
    charts["faults"] = timeline_chart(history)
    grid = table(FAULT_HEADS, fault_rows(history), FAULTS_CAPTION, words=(1, 4))
    return section("faults", "Faults", progress, timeline_frame("Figures over seconds show the faults shaded."), grid)


# private


def _name(fault: RecordedFault) -> str:
    return f"#{fault.window + 1} {fault.kind}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return " ".join(names[:MAX_NAMES]) + more


def _hover_text(fault: RecordedFault, history: History) -> str:
    until = "now" if fault.end is None else f"{fault.end:.1f} s"
    lines = f"{fault.kind} of {targets(fault)}", f"{fault.begin:.1f} s to {until}, {effect(fault, history)}"
    return "<br>".join(map(plain, lines))

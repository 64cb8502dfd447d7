"""What went wrong and when: each fault as the history tells it, along time and as rows."""

from collections.abc import Sequence

from learnae.analysis.checks.faults import SeenFault, seen_faults
from learnae.analysis.figures.spec import GREY
from learnae.records.history import Effect, FaultsPlanned, History
from learnae.web.charts.components import Charts, legend, plot, section
from learnae.web.charts.html import Html, h, table
from learnae.web.charts.plotly_layout import Chart, axes, plain, short
from learnae.web.charts.theme import LILAC, RED, VIOLET

OPEN, APPLIED, INEFFECTIVE, UNHEALED = "open now", "applied", "held nothing up", "not healed"
COLOURS = {OPEN: VIOLET, APPLIED: LILAC, INEFFECTIVE: GREY, UNHEALED: RED}
FAULT_HEADS = ("fault", "whom", "from, s", "to, s", "effect")
MANY = 12  # names that are listed


def effect(fault: SeenFault, history: History) -> str:
    if fault.effect is None:
        return UNHEALED if history.ended_by else OPEN
    return APPLIED if fault.effect is Effect.APPLIED else INEFFECTIVE


def whom(fault: SeenFault) -> str:
    """The sides of a split, or the targets."""
    if fault.began.sides:
        return " | ".join(map(_listed, fault.began.sides))
    return "the chain" if fault.began.fault.chain else _listed(fault.began.targets)


def fault_rows(history: History) -> list[tuple[str, str, str, str, str]]:
    return [
        (
            _name(each),
            whom(each),
            f"{each.begin:.1f}",
            "-" if each.end is None else f"{each.end:.1f}",
            effect(each, history),
        )
        for each in seen_faults(history)
    ]


def fault_progress(history: History) -> str:
    """How far the plan is, in a sentence."""
    planned = next((fact.windows for _, fact in history.facts(FaultsPlanned)), None)
    if planned is None:
        if not (history.began and history.began.session.get("faults")):
            return "No faults are planned in this session."
        why = "the session was over too soon" if history.ended_by else "the plan waits for all peers"
        return f"No fault has begun: {why}."
    told = seen_faults(history)
    now = [_name(each) for each in told if effect(each, history) == OPEN]
    begun = f"{len(told)} of {planned} faults have begun"
    return f"{begun}." if history.ended_by else f"{begun}. Open now: {', '.join(now) or 'none'}."


def timeline_chart(history: History) -> Chart:
    """A bar for each fault along session seconds; one that is open reaches to now."""
    told = seen_faults(history)
    ends = [history.seconds if each.end is None else each.end for each in told]
    trace = {
        "type": "bar",
        "orientation": "h",
        "y": [_name(each) for each in told],
        "base": [short(each.begin) for each in told],
        "x": [short(end - each.begin) for each, end in zip(told, ends, strict=True)],
        "text": [_said(each, history) for each in told],
        "textposition": "none",
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {"color": [COLOURS[effect(each, history)] for each in told]},
        "width": 0.2 * min(3, len(told)),
    }
    layout = axes(
        {"range": [0, short(history.seconds) or 1], "showgrid": True},
        {"type": "category", "autorange": "reversed", "showgrid": False},
    )
    layout["margin"]["l"] = 96
    return {"data": [trace], "layout": layout}


def timeline_frame(caption: str | Html) -> Html:
    marks = legend([(OPEN, VIOLET, "mark"), (APPLIED, LILAC, "mark"), (INEFFECTIVE, GREY, "mark")])
    return plot("faults", "Faults along time", caption, "along session time (s)", marks, kind="low")


def fault_section(history: History, charts: Charts) -> Html:
    """Of a session that is over, what the live page shows while it goes on."""
    told = h("p", fault_progress(history))
    if not seen_faults(history):
        return section("faults", "Faults", told)
    charts["faults"] = timeline_chart(history)
    grid = table(FAULT_HEADS, fault_rows(history), "Faults, in the order in which they began", words=(1, 4))
    return section("faults", "Faults", told, timeline_frame("Figures along seconds have them shaded."), grid)


# in here


def _name(fault: SeenFault) -> str:
    return f"#{fault.number + 1} {fault.began.fault}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MANY} more" if len(names) > MANY else ""
    return " ".join(names[:MANY]) + more


def _said(fault: SeenFault, history: History) -> str:
    until = "now" if fault.end is None else f"{fault.end:.1f} s"
    what = f"{fault.began.fault} of {whom(fault)}<br>{fault.begin:.1f} s to {until}, {effect(fault, history)}"
    return "<br>".join(map(plain, what.split("<br>")))

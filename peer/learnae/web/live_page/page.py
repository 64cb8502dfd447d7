"""The live page before anything is known of a session, and the files that it loads.

``live.js`` fills it: placeholders (``data-text``) with texts, tables with rows, frames with charts.  No script or style
is inline, so that the Content-Security-Policy can forbid everything that this server does not serve.
"""

from functools import cache

from learnae.analysis.figures import figures
from learnae.analysis.figures.spec import BLUE, GREY, ORANGE
from learnae.analysis.peer_status import PHASES
from learnae.records.history import History
from learnae.web.charts.assets import asset, data_block, plotly, style
from learnae.web.charts.components import contents, head, legend, placeholder, plot, section
from learnae.web.charts.fault_timeline import FAULT_HEADS, FAULTS_CAPTION, timeline_frame
from learnae.web.charts.figure_frames import figure_frames
from learnae.web.charts.html import Html, h, table
from learnae.web.charts.metric_words import with_placeholders
from learnae.web.charts.money_charts import ROLE_MARKS, money_frames
from learnae.web.charts.receipts import CLAIM_HEADS, CLAIM_NOTE, CLAIM_WORDS, RECEIPT_HEADS, RECEIPT_WORDS
from learnae.web.charts.sankey import flow_frame
from learnae.web.charts.theme import DARK
from learnae.web.charts.topology_chart import topology_frame
from learnae.web.live_page.rows import RECEIPT_COLUMNS

# Plotly adds no styles of its own where elements with these ids exist: live.css has the rules that it needs.
PLOTLY_STYLE_ID = "plotly.js-style-global"
PLOTLY_MAPS_ID = "9f215cf04c5486422605d13261cb87401f4e7763b6296af81e98efbc0130da53"  # of plotly.js 4.1
SECTIONS = {
    "now": "Now",
    "network": "Links and faults",
    "peers": "Peers",
    "figures": "Figures",
    "money": "Payments",
    "receipts": "Receipts",
    "directory": "Directory",
    "results": "Results",
}
TILES = (  # placeholder, label, and the placeholder of a note
    ("validation", "mean validation accuracy", ""),
    ("test", "mean test accuracy", "test-age"),
    ("success", "averagings kept, mean over peers", ""),
    ("attempts", "averaging attempts", ""),
    ("payments", "final payments", "open-debts"),
    ("ether", "ETH paid", ""),
)
PEER_HEADS = (
    "peer",
    "role",
    "state",
    "slices trained",
    "row blocks published",
    "row blocks trained on",
    "averagings kept",
    "validation accuracy",
    "test accuracy",
    "ETH sent",
    "ETH received",
)


def page_assets() -> dict[str, str]:
    """The files that the page loads from static/, by name."""
    return {
        "plotly.js": plotly(),
        "charts.js": asset("charts/charts.js"),
        "live.js": asset("live_page/live.js"),
        "page.css": style(),
        "live.css": asset("live_page/live.css"),
    }


@cache
def live_page() -> str:
    body = h(
        "body",
        _header(),
        contents(SECTIONS),
        h("noscript", h("p", "This page follows a session and needs JavaScript.", class_="note")),
        h("main", _now(), _network(), _peers(), _figures(), _money(), _receipts(), _directory(), _results()),
        data_block({"dark": DARK, "columns": RECEIPT_COLUMNS}),
    )
    files = (
        h("link", rel="stylesheet", href="static/page.css", id=PLOTLY_MAPS_ID),
        h("link", rel="stylesheet", href="static/live.css", id=PLOTLY_STYLE_ID, class_="no-inline-styles"),
        h("script", src="static/plotly.js", id="plotly", async_=True),  # only charts wait for it
        h("script", src="static/charts.js", defer=True),
        h("script", src="static/live.js", type="module"),
    )
    return "<!DOCTYPE html>\n" + h("html", head("LEARNAE", *files), with_placeholders(body), lang="en")


def _header() -> Html:
    next_steps = h(
        "span",
        "Next: ",
        h("code", "learnae check RUN"),
        " repeats the checks, ",
        h("code", "learnae baselines RUN"),
        " compares the run with peers that train alone.",
    )
    report = h("a", "Open the report", href="report.html", id="outcome-report", hidden=True)
    outcome = h(
        "div",
        h("p", id="outcome-text"),
        h("ul", id="outcome-problems"),
        h("p", report, next_steps, class_="next"),
        id="outcome",
        role="status",
        hidden=True,
    )
    return h(
        "header",
        h("p", "LEARNAE: paid peer-to-peer training", class_="over"),
        h("h1", "Session ", h("em", placeholder("name"))),
        h("p", h("strong", "waiting", class_="badge waiting", id="state"), " ", placeholder("line", "Connecting.")),
        h("p", id="connection", role="status"),
        outcome,
    )


def _now() -> Html:
    bars = [h("i", id=f"bar-{phase}", class_=f"is-{phase}") for phase in PHASES]
    counts = [
        h(
            "li",
            h("i", class_=f"is-{phase}", aria_hidden="true"),
            f"{phase} ",
            h("b", "0", id=f"count-{phase}"),
            id=f"entry-{phase}",
            class_="none",
        )
        for phase in PHASES
    ]
    tiles = [
        h("div", h("dt", label, placeholder(note) if note else ""), h("dd", placeholder(name, "-")))
        for name, label, note in TILES
    ]
    lines = [
        ("each peer, validation", GREY, "line"),
        ("mean, validation", ORANGE, "dotted"),
        ("mean, test", BLUE, "line"),
    ]
    accuracy = plot(
        "peers",
        "Models of each peer",
        "On validation data it is biased upwards, because it decides which models a peer keeps. Test data belongs to "
        "no peer; models are tested when there is time. The means begin when all peers have a model.",
        "accuracy over session time (s)",
        legend(lines),
    )
    who = h("label", "Show ", h("select", h("option", "all peers", value=""), id="log-peer"), class_="choice")
    log = h("div", h("h3", "Log"), who, h("ol", id="log", class_="empty", tabindex=0, aria_label="Log"))
    return section(
        "now",
        "Now",
        h("div", *bars, class_="phases empty", id="phases", role="img", aria_label="no peers yet"),
        h("ul", *counts, class_="legend", id="counts"),
        h("dl", *tiles, class_="tiles"),
        h("div", accuracy, log, class_="grid"),
    )


def _network() -> Html:
    timeline = h(
        "div",
        timeline_frame(placeholder("faults")),
        _table("faults", FAULT_HEADS, FAULTS_CAPTION, words=(1, 4)),
        class_="timeline",
    )
    frames = h("div", topology_frame(placeholder("topology")), timeline, class_="grid")
    return section("network", "Links and faults", frames)


def _peers() -> Html:
    return section("peers", "Peers", _table("peers", PEER_HEADS, "Current state of each peer", words=(1, 2)))


def _figures() -> Html:
    empty = History(())
    return figure_frames(figures(empty), figures(empty, "seconds"), with_tables=False)


def _money() -> Html:
    return section("money", "Payments", flow_frame("", ROLE_MARKS), money_frames("", ROLE_MARKS))


def _receipts() -> Html:
    hint = "Shows rows that contain every word: a peer, a state, a transaction."
    field = h("input", type="search", id="filter", placeholder="p03 final", title=hint)
    button = h("button", "Download as CSV", type="button", id="download", disabled=True)
    return section(
        "receipts",
        "Receipts",
        h("p", h("label", "Filter ", field, class_="choice"), " ", button, class_="tools"),
        _table("receipts", RECEIPT_HEADS, "Debts, newest first", RECEIPT_WORDS),
        h("p", placeholder("receipts"), class_="note"),
    )


def _directory() -> Html:
    claims = _table("claims", CLAIM_HEADS, "Identity claims and verdicts", CLAIM_WORDS)
    return section("directory", "Directory", h("p", CLAIM_NOTE, class_="note"), claims)


def _results() -> Html:
    """The script shows the paper's column only for the paper's session."""
    return section("results", "Results", _table("results", ("", "so far", "the paper"), "Results"))


def _table(name: str, heads: tuple[str, ...], caption: str, words: tuple[int, ...] = ()) -> Html:
    return h("div", table(heads, (), caption, words), class_="tall empty", data_table=name)

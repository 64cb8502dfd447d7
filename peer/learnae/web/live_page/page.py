"""The live page as it is before anything is known of a session, and the files it loads.

Its frames are the report's.  ``live.js`` fills them: places of ``data-said`` with words, tables with rows, frames with
charts.  No script and no style is inline, so that the page can be forbidden everything that is not served beside it.
"""

from learnae.analysis.figures import figures
from learnae.analysis.figures.spec import BLUE, GREY, ORANGE
from learnae.analysis.peer_status import PHASES
from learnae.records.history import History
from learnae.web.charts import fault_timeline
from learnae.web.charts.assets import asset, data_block, plotly, style
from learnae.web.charts.components import legend, plot, section
from learnae.web.charts.fault_timeline import timeline_frame
from learnae.web.charts.figure_frames import figure_frames
from learnae.web.charts.html import Html, h, table
from learnae.web.charts.money_charts import ROLE_MARKS, money_frames
from learnae.web.charts.sankey import flow_frame
from learnae.web.charts.theme import DARK
from learnae.web.charts.topology_chart import topology_frame
from learnae.web.live_page.rows import RECEIPT_COLUMNS

# Where elements of these ids stand, Plotly adds no styles of its own: live.css has the rules that it needs.
RULES = "plotly.js-style-global"
MAPS = "9f215cf04c5486422605d13261cb87401f4e7763b6296af81e98efbc0130da53"  # of plotly 7.1
CONTENTS = {
    "now": "Now",
    "network": "Links and faults",
    "peers": "Peers",
    "figures": "Figures",
    "money": "Who paid whom",
    "receipts": "Receipts",
    "directory": "Directory",
    "paper": "Beside the paper",
}
TILES = (
    ("validation", "accuracy on own validation rows, mean"),
    ("test", "accuracy on test rows, mean"),
    ("success", "averagings kept, mean of peers"),
    ("attempts", "averagings tried"),
    ("payments", "payments"),
    ("ether", "ETH paid"),
)
ALSO = {"test": "asof", "payments": "underway"}
PEERS = ("peer", "role", "does", "slices", "averagings kept", "validation", "test", "ETH sent", "ETH received")
RECEIPTS = ("session time", "payer", "payee", "ETH", "payer's accuracy", "state", "transaction")
CLAIMS = ("claimed id", "announced by", "contract", "wallet", "deployed", "verdict", "peers that say so", "why")


def page_assets() -> dict[str, str]:
    """By name, what the page loads from static/."""
    return {
        "plotly.js": plotly(),
        "charts.js": asset("charts/charts.js"),
        "live.js": asset("live_page/live.js"),
        "page.css": style(),
        "live.css": asset("live_page/live.css"),
    }


def live_page() -> str:
    body = h(
        "body",
        _header(),
        h("nav", h("ul", *(h("li", h("a", told, href=f"#{anchor}")) for anchor, told in CONTENTS.items())),
          aria_label="Contents"),
        h("noscript", h("p", "This page follows a session and needs JavaScript.", class_="note")),
        h("main", _now(), _network(), _peers(), _figures(), _money(), _receipts(), _directory(), _paper()),
        data_block({"night": DARK, "columns": RECEIPT_COLUMNS}),
    )  # fmt: skip
    return "<!DOCTYPE html>\n" + h("html", _head(), body, lang="en")


def _head() -> Html:
    return h(
        "head",
        h("meta", charset="utf-8"),
        h("meta", name="viewport", content="width=device-width, initial-scale=1"),
        h("meta", name="color-scheme", content="light dark"),
        h("link", rel="icon", href="data:,"),
        h("title", "LEARNAE"),
        h("link", rel="stylesheet", href="static/page.css", id=MAPS),
        h("link", rel="stylesheet", href="static/live.css", id=RULES, class_="no-inline-styles"),
        h("script", src="static/plotly.js", id="plotly", async_=True),  # nothing but charts waits for it
        h("script", src="static/charts.js", defer=True),
        h("script", src="static/live.js", type="module"),
    )


def _header() -> Html:
    badge = h("strong", "waiting", class_="badge waiting", id="state")
    then = (
        h("a", "Read the report", href="report.html", id="outcome-report", hidden=True),
        h("span", "What next: ", h("code", "learnae check RUN"), " judges it again from its records, ",
          h("code", "learnae baselines RUN"), " compares with peers that train alone."),
    )  # fmt: skip
    return h(
        "header",
        h("p", "LEARNAE: paid peer-to-peer training", class_="over"),
        h("h1", "Session ", h("em", placeholder("name"))),
        h("p", badge, " ", placeholder("line", "Connecting.")),
        h("p", id="link", role="status"),
        h("div", h("p", id="outcome-said"), h("ul", id="outcome-wrong"), h("p", *then, class_="then"),
          id="outcome", role="status", hidden=True),
    )  # fmt: skip


def _now() -> Html:
    bars = [h("i", id=f"bar-{phase}", class_=f"is-{phase}") for phase in PHASES]
    counts = [
        h("li", h("i", class_=f"is-{phase}", aria_hidden="true"), f"{phase} ", h("b", "0", id=f"count-{phase}"),
          id=f"entry-{phase}", class_="none")
        for phase in PHASES
    ]  # fmt: skip
    tiles = [
        h("div", h("dt", told, placeholder(ALSO[name]) if name in ALSO else ""), h("dd", placeholder(name, "-")))
        for name, told in TILES
    ]
    accuracy = plot(
        "peers",
        "Accuracy of each peer",
        "On its own validation rows a peer decides and pays, so that number is flattered; test rows no peer has, and "
        "models are scored on them when there is time. Means begin when all peers have a model.",
        "accuracy, along session time (s)",
        legend(
            [
                ("each peer, validation", GREY, "line"),
                ("mean, validation", ORANGE, "dotted"),
                ("mean, test", BLUE, "line"),
            ]
        ),
    )
    who = h("label", "About ", h("select", h("option", "everybody", value=""), id="who"), class_="choice")
    log = h("div", h("h3", "What happens"), who, h("ol", id="log", class_="empty", tabindex=0, aria_label="Log"))
    return section(
        "now",
        "Now",
        h("div", *bars, class_="phases empty", id="phases", role="img", aria_label="no peer yet"),
        h("ul", *counts, class_="legend", id="counts"),
        h("dl", *tiles, class_="tiles"),
        h("div", accuracy, log, class_="grid beside"),
    )


def _network() -> Html:
    timeline = h(
        "div",
        timeline_frame(placeholder("faults")),
        _table("faults", fault_timeline.FAULT_HEADS, "Faults, in the order in which they began", words=(1, 4)),
        class_="timeline",
    )
    return section(
        "network", "Links and faults", h("div", topology_frame(placeholder("topology")), timeline, class_="grid")
    )


def _peers() -> Html:
    return section("peers", "Peers", _table("peers", PEERS, "Every peer, as it stands", words=(1, 2)))


def _figures() -> Html:
    empty = History(())
    return figure_frames(figures(empty), figures(empty, "seconds"), tables=False)


def _money() -> Html:
    return section(
        "money", "Who paid whom", flow_frame(placeholder("flow"), ROLE_MARKS), money_frames("much", ROLE_MARKS)
    )


def _receipts() -> Html:
    hint = "every word must occur: a peer, a state, a transaction"
    box = h(
        "label", "Filter ", h("input", type="search", id="filter", placeholder="p03 final", title=hint), class_="choice"
    )
    button = h("button", "Download as CSV", type="button", id="download", disabled=True)
    return section(
        "receipts",
        "Receipts",
        h("p", box, " ", button, class_="tools"),
        _table("receipts", RECEIPTS, "Debts, the newest first", (1, 2, 5, 6)),
        h("p", placeholder("receipts"), class_="note"),
    )


def _directory() -> Html:
    note = (
        "Each contract that was announced, and what the peers that looked at it think of it now. Of several claims to "
        "one id the one that was deployed first wins (section 3.2 of the paper)."
    )
    claims = _table("claims", CLAIMS, "Claims to identities, with verdicts", (1, 2, 3, 4, 5, 6, 7))
    return section("directory", "Directory", h("p", note, class_="note"), claims)


def _paper() -> Html:
    return section("paper", "Beside the paper", _table("beside", ("", "so far", "the paper"), "This run and the paper"))


def placeholder(name: str, before: str = "") -> Html:
    """Where the script says something."""
    return h("span", before, data_said=name)


def _table(name: str, heads: tuple[str, ...], caption: str, words: tuple[int, ...] = ()) -> Html:
    return h("div", table(heads, (), caption, words), class_="tall empty", data_table=name)

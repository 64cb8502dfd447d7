"""Who paid whom, what was paid for, and what it was good for."""

from collections.abc import Mapping, Sequence
from typing import Any

from learnae.analysis.figures.spec import BLUE, ORANGE
from learnae.analysis.money import Account, accounts, flows
from learnae.analysis.paper_comparison import format_number
from learnae.analysis.statistics import Gain, gains, total_gain
from learnae.records.history import History
from learnae.web.charts.components import Charts, details, legend, percentage_points, plot, section
from learnae.web.charts.html import Html, h, table
from learnae.web.charts.money_charts import (
    ROLE_MARKS,
    accounts_chart,
    baselines_chart,
    gains_chart,
    largest_flow,
    matrix_chart,
    matrix_names,
    money_frames,
)
from learnae.web.charts.sankey import flow_frame, omitted_names, sankey_chart

Scores = Mapping[str, Mapping[str, float | None]]

BASELINES = {
    "alone": "each peer trains on its own rows and averages with nobody",
    "swarm": "this run: an average is kept only if it is better on the peer's own validation rows, and then paid for",
    "always-average": "the same peers keep every average, whatever it is worth",
    "pooled": "one network on the rows of all peers, which nobody in a swarm could do",
}


def money_section(history: History, charts: Charts) -> Html:
    paid, peers = flows(history), accounts(history)
    if not paid:
        return section("money", "Who paid whom", h("p", "No payment became final."), _account_table(peers))
    names, told = matrix_names(paid, peers)
    shown = [flow for flow in paid if {flow.payer, flow.payee} <= set(names)]
    charts["matrix"], charts["accounts"] = matrix_chart(shown, names), accounts_chart(peers)
    charts["flow"] = sankey_chart(paid, peers)
    kinds = [kind for kind in ROLE_MARKS if any(each.kind == kind for each in peers)]
    frames = flow_frame(omitted_names(paid), kinds), money_frames(largest_flow(paid), kinds, told)
    return section("money", "Who paid whom", *frames, _account_table(peers))


def gain_section(history: History, charts: Charts) -> Html:
    title = "What was paid for, and what is there on test rows"
    found = gains(history)
    if not found:
        return section("gain", title, h("p", "No adoption of an honest peer has both its models evaluated."))
    charts["gains"] = gains_chart(found)
    groups = (
        ("before a peer's last slice", [each for each in found if each.early]),
        ("after it, or without rows", [each for each in found if not each.early]),
        ("all that were paid for", [each for each in found if each.paid]),
    )
    rows = [(told, *_total(group)) for told, group in groups]
    marks = legend(
        [
            ("adopted while the peer still had slices to train on", BLUE, "mark circle"),
            ("adopted after its last slice, or without rows", ORANGE, "mark diamond"),
        ]
    )
    heads = ("adoptions", "number", "validation", "test", "absent")
    return section(
        "gain",
        title,
        h("p", _absence(groups[2][1])),
        h(
            "div",
            plot(
                "gains",
                "Gain of each adoption",
                "On the dashed line a gain is as large on test rows as it was paid for; below 0 the model got worse.",
                "gain on test rows (up), on the peer's own validation rows (across), percentage points",
                marks,
            ),
            h(
                "div",
                table(heads, rows, "Gains in sum, percentage points"),
                h(
                    "p",
                    f"Gains in sum, in percentage points (pp), of {len({each.peer for each in found})} honest peers "
                    "whose models were followed. Absent: the share of the validation gain that test rows do not show.",
                    class_="note",
                ),
            ),
            class_="grid",
        ),
    )


def baseline_section(scores: Scores, found: Mapping[str, Any], peers: Sequence[Account], charts: Charts) -> Html:
    title = "Alone against together"
    if not scores:
        how = ("There are no baselines yet: ", h("code", "learnae baselines RUN"), " makes them, and then ")
        return section("baselines", title, h("p", *how, h("code", "learnae report RUN"), " shows them here."))
    summary = found["summary"]
    swarm = {
        "mean": summary["accuracy_test_mean"],
        "min": summary["accuracy_test_min"],
        "max": max((each.test for each in peers if each.test is not None), default=None),
    }
    swarm |= {key: value for key, value in scores.get("swarm", {}).items() if value is not None}
    everything: Scores = {**scores, "swarm": swarm}
    ordered = {key: everything[key] for key in (*BASELINES, *everything) if key in everything}
    ordered = {key: each for key, each in ordered.items() if each.get("mean") is not None}
    charts["baselines"] = baselines_chart(ordered)
    alone = ordered.get("alone", {}).get("mean")
    bands = {"mean": "mean", "min": "least", "max": "greatest"}
    if any("own" in each for each in ordered.values()):
        bands["own"] = "on rows like a peer's own"
    rows = [
        (
            key,
            *(format_number(each.get(band), ".2%") for band in bands),
            "-" if alone is None else percentage_points((each["mean"] or 0) - alone),
        )
        for key, each in ordered.items()
    ]
    chart = plot(
        "baselines",
        "Accuracy on test rows",
        "Mean of the peers, and from the least peer to the greatest.",
        "",
        Html(""),
        kind="low",
    )
    grid = table(("way to train", *bands.values(), "against alone"), rows, title)
    words = [h("li", h("b", key), f": {BASELINES[key]}") for key in ordered if key in BASELINES]
    return section("baselines", title, chart, grid, h("ul", *words, class_="note"))


def _account_table(peers: Sequence[Account]) -> Html:
    heads = (
        "peer", "role", "payments sent", "ETH sent", "payments received", "ETH received", "balance, ETH",
        "test accuracy", "validation accuracy",
    )  # fmt: skip
    rows = [
        (
            each.name,
            each.role,
            each.sent,
            f"{each.sent_ether:.5f}",
            each.received,
            f"{each.received_ether:.5f}",
            f"{each.received_ether - each.sent_ether:+.5f}",
            format_number(each.test, ".2%"),
            format_number(each.validation, ".2%"),
        )
        for each in peers
    ]
    return details("Every peer's account", table(heads, rows, "Every peer's account", words=(1,)))


def _total(group: Sequence[Gain]) -> tuple[str, str, str, str]:
    sums = total_gain(group)
    return (
        str(sums.count),
        percentage_points(sums.validation),
        percentage_points(sums.test),
        format_number(sums.absent, ".0%"),
    )


def _absence(paid: Sequence[Gain]) -> str:
    sums = total_gain(paid)
    if sums.absent is None:
        return "No adoption whose models were both evaluated was paid for."
    return (
        f"Of the gain paid for, {max(0.0, sums.absent):.0%} is absent on test rows: {sums.count} paid adoptions gained "
        f"{100 * sums.validation:.1f} percentage points in sum on the payers' own validation rows "
        f"and {100 * sums.test:.1f} on rows that no peer has. "
        "Whoever keeps the best of many by one set of rows is flattered by those rows."
    )

"""The report's sections about payments: who paid whom, what the payments bought, and the baselines."""

from collections.abc import Mapping, Sequence
from typing import Any

from learnae.analysis.figures.spec import BLUE, ORANGE
from learnae.analysis.money import Account, accounts, flows, paid_out
from learnae.analysis.paper_comparison import format_number
from learnae.analysis.statistics import Gain, gains, total_gain
from learnae.protocol.types import ETHER
from learnae.records.history import History
from learnae.web.charts.components import Charts, details, legend, percentage_points, plot, section
from learnae.web.charts.html import Html, h, table
from learnae.web.charts.money_charts import (
    ROLE_MARKS,
    accounts_chart,
    baselines_chart,
    gains_chart,
    largest_accounts,
    largest_flow,
    matrix_chart,
    money_frames,
    omitted_accounts,
    omitted_cells,
)
from learnae.web.charts.sankey import flow_frame, omitted_names, sankey_chart

Scores = Mapping[str, Mapping[str, float | None]]

BASELINES = {
    "alone": "each peer trains on its own data and never averages",
    "swarm": "this run: a peer keeps and pays for an average only if it is better on its own validation data",
    "always-average": "the same peers keep every average, better or worse",
    "fedavg": "after each slice, all peers get the mean of all models, weighted by the rows of their peers",
    "krum": "after each slice, a peer gets Krum's choice of 5 models: its own and those of 4 random peers",
    "median": "after each slice, a peer gets the median of each weight of 5 such models",
    "gauntlet": "after each slice, all peers get the mean of all models, weighted by how much each lowered the loss "
    "on the validation data of 5 random peers; models that did not lower it are left out",
    "pooled": "one network trained on the data of all peers, which no swarm has in one place",
}


def money_section(history: History, charts: Charts) -> Html:
    paid, peers = flows(history), accounts(history)
    if not paid:
        none = h("p", "No payment became final.")
        return section("money", "Payments", none, _account_table(peers), *_payouts(history))
    charts["flow"] = sankey_chart(paid, {peer.name: peer.kind for peer in peers})
    charts["matrix"] = matrix_chart(paid, peers)
    charts["accounts"] = accounts_chart(peers)
    kinds = [kind for kind in ROLE_MARKS if any(account.kind == kind for account in peers)]
    frames = (
        flow_frame(omitted_names(paid), kinds),
        money_frames(largest_flow(paid), kinds, omitted_cells(paid, peers)),
    )
    return section("money", "Payments", *frames, _account_table(peers), *_payouts(history))


def _payouts(history: History) -> tuple[Html, ...]:
    """The pay-out wallets that are not the peers' own, if there are any."""
    rows = [
        (name, wallet, "-" if held is None else f"{held / ETHER:.6f}")
        for name, (wallet, held) in paid_out(history).items()
    ]
    return (table(("peer", "pay-out wallet", "ETH at the end"), rows, "Wallets that others pay"),) if rows else ()


def gain_section(history: History, charts: Charts) -> Html:
    title = "Gain paid for, and gain on test data"
    adoptions = gains(history)
    if not adoptions:
        return section("gain", title, h("p", "No honest peer adopted a model while both models were evaluated."))
    charts["gains"] = gains_chart(adoptions)
    groups = (
        ("before the peer's last slice", [gain for gain in adoptions if gain.early]),
        ("after it, or without data", [gain for gain in adoptions if not gain.early]),
        ("paid for", [gain for gain in adoptions if gain.paid]),
    )
    rows = [(label, *_total_cells(group)) for label, group in groups]
    marks = legend(
        [
            ("adopted before the peer's last slice", BLUE, "mark circle"),
            ("adopted after it, or by a peer without data", ORANGE, "mark diamond"),
        ]
    )
    chart = plot(
        "gains",
        "Gain of each adoption",
        "On the dashed line, the gain on test data equals the gain paid for. Below 0, the model got worse.",
        "test gain (up), validation gain (across), percentage points",
        marks,
    )
    note = (
        f"Total gains in percentage points (pp) of the {len({gain.peer for gain in adoptions})} honest peers whose "
        "models were evaluated. Missing: the share of the validation gain that test data does not confirm."
    )
    totals = table(("adopted", "number", "validation", "test", "missing"), rows, "Total gains, percentage points")
    return section(
        "gain",
        title,
        h("p", _gain_sentence(groups[2][1])),
        h("div", chart, h("div", totals, h("p", note, class_="note")), class_="grid"),
    )


def baseline_section(scores: Scores, verdict: Mapping[str, Any], peers: Sequence[Account], charts: Charts) -> Html:
    title = "Comparison with baselines"
    if not scores:
        command, report = h("code", "learnae baselines RUN"), h("code", "learnae report RUN")
        how = ("No baselines yet. Run ", command, ", then ", report, " to show them here.")
        return section("baselines", title, h("p", *how))
    summary = verdict["summary"]
    swarm = {
        "mean": summary["accuracy_test_mean"],
        "min": summary["accuracy_test_min"],
        "max": max((account.test for account in peers if account.test is not None), default=None),
    }
    swarm |= {key: value for key, value in scores.get("swarm", {}).items() if value is not None}
    all_scores: Scores = {**scores, "swarm": swarm}
    names = [
        name for name in dict.fromkeys((*BASELINES, *all_scores)) if all_scores.get(name, {}).get("mean") is not None
    ]
    ordered = {name: all_scores[name] for name in names}
    charts["baselines"] = baselines_chart(ordered)
    alone = ordered.get("alone", {}).get("mean")
    columns = {"mean": "mean", "min": "minimum", "max": "maximum"}
    if any("own" in values for values in ordered.values()):
        columns["own"] = "on data like the peer's own"
    rows = [
        (
            name,
            *(format_number(values.get(column), ".2%") for column in columns),
            "-" if alone is None else percentage_points((values["mean"] or 0) - alone),
        )
        for name, values in ordered.items()
    ]
    caption = "Mean over the peers, and the range from the lowest to the highest peer."
    chart = plot("baselines", "Accuracy on test data", caption, "", kind="low")
    grid = table(("method", *columns.values(), "compared with alone"), rows, title)
    notes = [h("li", h("b", name), f": {BASELINES[name]}") for name in ordered if name in BASELINES]
    return section("baselines", title, chart, grid, h("ul", *notes, class_="note"))


def _account_table(peers: Sequence[Account]) -> Html:
    heads = (
        "peer",
        "role",
        "payments sent",
        "ETH sent",
        "payments received",
        "ETH received",
        "net before gas, ETH",
        "gas, ETH",
        "test accuracy",
        "validation accuracy",
    )
    rows = [
        (
            account.name,
            account.role,
            account.sent,
            f"{account.sent_ether:.5f}",
            account.received,
            f"{account.received_ether:.5f}",
            f"{account.net_ether:+.5f}",
            f"{account.gas_ether:.5f}",
            format_number(account.test, ".2%"),
            format_number(account.validation, ".2%"),
        )
        for account in largest_accounts(peers)
    ]
    omitted = omitted_accounts(peers)
    how = (omitted, " ", h("code", "learnae export RUN --to csv"), " writes all.")
    note = (h("p", *how, class_="note"),) if omitted else ()
    return details("Accounts of all peers", table(heads, rows, "Accounts of all peers", words=(1,)), *note)


def _total_cells(group: Sequence[Gain]) -> tuple[str, str, str, str]:
    total = total_gain(group)
    return (
        str(total.count),
        percentage_points(total.validation),
        percentage_points(total.test),
        format_number(total.missing, ".0%"),
    )


def _gain_sentence(paid: Sequence[Gain]) -> str:
    total = total_gain(paid)
    if total.missing is None:
        return "No evaluated adoption was paid for."
    return (
        f"Test data does not confirm {max(0.0, total.missing):.0%} of the gain paid for: {total.count} paid adoptions "
        f"gained {100 * total.validation:.1f} percentage points in total on the payers' own validation data, "
        f"and {100 * total.test:.1f} on test data. "
        "Choosing the best of many models on one validation set overstates the gain."
    )

"""The five figures of section 4, and the one number that Figure 4 is about."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from learnae.analysis.figures.axis import AVERAGING, FINISHED, TRAINING, Steps, TimeAxis, View, work_units
from learnae.analysis.figures.spec import BLUE, GREY, ORANGE, Figure, Reference, Series, Shade, ShadedBand
from learnae.protocol.decisions import Averaged, DebtState
from learnae.protocol.types import ETHER, Cid
from learnae.records.history import Evaluated, FaultBegan, FaultEnded, History, kept_score


def figures(history: History, x: View = "units") -> list[Figure]:
    """Figures 4 to 8, in this order.  Faults are shaded along seconds; a unit of work is at no one time."""
    shades = fault_windows(history) if x == "seconds" else ()
    return [replace(figure, shades=shades) for figure in _figures(history, TimeAxis(history, x))]


def fault_windows(history: History) -> tuple[Shade, ...]:
    """One that was never healed lasts to the end."""
    ends = {fact.window: record.t for record, fact in history.facts(FaultEnded)}
    return tuple(
        Shade(fact.fault.value, record.t, ends.get(fact.window, history.seconds))
        for record, fact in history.facts(FaultBegan)
    )


def _figures(history: History, axis: TimeAxis) -> list[Figure]:
    return [
        _work_types(axis),
        _success_rate(history, axis),
        _accuracy(history, axis),
        _money(
            history,
            axis,
            "fig7-payments",
            "Fig. 7 \N{EN DASH} Cumulative number of ETH payments",
            "payments sent by a peer",
            Reference("the paper:\n3\N{EN DASH}16, mean 9.4", 9.4, 3, 16),
            lambda wei: 1.0,
            "{low:.0f}{to}{high:.0f}, mean {mean:.1f}",
        ),
        _money(
            history,
            axis,
            "fig8-eth",
            "Fig. 8 \N{EN DASH} Cumulative amount of ETH sent",
            "ETH sent by a peer",
            Reference("the paper:\n0.0005\N{EN DASH}0.0068,\nmean 0.003", 0.003, 0.0005, 0.0068),
            lambda wei: wei / ETHER,
            "{low:.4f}{to}{high:.4f}, mean {mean:.4f}",
        ),
    ]


def first_phase_shares(history: History) -> tuple[float, float]:
    """(training, averaging) of the work units up to a peer's last slice, averaged over honest peers that train."""
    return _first_phase(work_units(history))


def _first_phase(worked: Mapping[str, Sequence[tuple[float, str]]]) -> tuple[float, float]:
    shares = []
    for units in worked.values():
        kinds = [kind for _, kind in units]
        if TRAINING in kinds:
            until = len(kinds) - kinds[::-1].index(TRAINING)
            shares.append(kinds[:until].count(TRAINING) / until)
    return (fmean(shares), 1 - fmean(shares)) if shares else (0.0, 0.0)


def _work_types(axis: TimeAxis) -> Figure:
    x, shares = axis.shares()
    floor = tuple(0.0 for _ in x)
    bands = []
    for kind, colour in ((TRAINING, BLUE), (AVERAGING, ORANGE), (FINISHED, GREY)):
        ceiling = tuple(below + share for below, share in zip(floor, shares[kind], strict=True))
        bands.append(ShadedBand(kind, colour, x, floor, ceiling, solid=True))
        floor = ceiling
    return Figure(
        "fig4-work-types",
        "Fig. 4 \N{EN DASH} Work type distribution",
        axis.label,
        "share of peers",
        bands=tuple(bands),
        references=(Reference("the paper: first\nequally shared", 0.5),),
        percent=True,
        outcome=f"first {_first_phase(axis.units)[0]:.0%} training" if x else "",
    )


def _success_rate(history: History, axis: TimeAxis) -> Figure:
    steps: dict[str, Steps] = {name: [] for name in axis.units}
    adopted = dict.fromkeys(steps, 0)
    for record, fact in history.facts(Averaged):
        if record.peer in steps:
            adopted[record.peer] += fact.adopted
            rate = adopted[record.peer] / (len(steps[record.peer]) + 1)
            steps[record.peer].append((axis.position(record.peer, record.t), rate))
    x, mean = axis.over(list(steps.values()), fmean)
    return Figure(
        "fig5-success-rate",
        "Fig. 5 \N{EN DASH} Cumulative success rate of averaging",
        axis.label,
        "averagings adopted, mean of peers",
        series=(Series("mean of peers", BLUE, x, mean),),
        references=(Reference("the paper: above\n20% at the end", 0.2),),
        percent=True,
        outcome=f"{mean[-1]:.1%} at the end" if x else "",
    )


def _accuracy(history: History, axis: TimeAxis) -> Figure:
    """A model counts from the moment it was made, whenever it was evaluated."""
    made: dict[tuple[str, Cid], float] = {}
    validation: dict[str, Steps] = {name: [] for name in axis.units}
    test: dict[str, Steps] = {name: [] for name in axis.units}
    for record, fact in history.worked:
        if record.peer in test and (score := kept_score(fact)):
            made[record.peer, fact.cid] = record.t
            validation[record.peer].append((axis.position(record.peer, record.t), score.accuracy))
    for record, evaluated in history.facts(Evaluated):
        if record.peer in test:
            position = axis.position(record.peer, made.get((record.peer, evaluated.cid), record.t))
            test[record.peer].append((position, evaluated.test.accuracy))
    followed = [sorted(each) for each in test.values() if len(each) > 1] or [each for each in test.values() if each]
    x, mean, low, high = axis.over(followed, fmean, min, max)
    own_x, own = axis.over(list(validation.values()), fmean)
    return Figure(
        "fig6-accuracy",
        "Fig. 6 \N{EN DASH} Progress of model accuracy",
        axis.label,
        "accuracy",
        series=(
            Series("test, mean of peers", BLUE, x, mean),
            Series("validation, mean of peers", ORANGE, own_x, own, dotted=True),
        ),
        bands=(ShadedBand("test, least to greatest", BLUE, x, low, high),),
        percent=True,
        grounded=False,
        outcome=", ".join(f"{kind} {y[-1]:.1%}" for kind, y in (("test", mean), ("validation", own)) if y),
    )


def _money(
    history: History,
    axis: TimeAxis,
    name: str,
    title: str,
    y_label: str,
    reference: Reference,
    worth: Callable[[int], float],
    outcome: str,
) -> Figure:
    """Cumulated over debts that stayed final, each from the moment it became so for the last time."""
    final = sorted(
        (max(at for at, change in changes if change.state is DebtState.FINAL), payer, changes[-1][1].wei)
        for (payer, _), changes in history.debts.items()
        if changes[-1][1].state is DebtState.FINAL
    )
    steps: dict[str, Steps] = {peer: [(0.0, 0.0)] for peer in history.honest}
    for at, payer, wei in final:
        if payer in steps:
            steps[payer].append((axis.position(payer, at), steps[payer][-1][1] + worth(wei)))
    x, mean, low, high = axis.over(list(steps.values()), fmean, min, max)
    return Figure(
        name,
        title,
        axis.label,
        y_label,
        series=(Series("mean of peers", BLUE, x, mean),),
        bands=(ShadedBand("least to greatest", BLUE, x, low, high),),
        references=(reference,),
        outcome=outcome.format(low=low[-1], mean=mean[-1], high=high[-1], to="\N{EN DASH}") if x else "",
    )

"""The five figures of section 4, and the share of training that Figure 4 is about."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from learnae.analysis.figures.axis import (
    AVERAGING,
    FINISHED,
    TRAINING,
    Steps,
    TimeAxis,
    Track,
    View,
    WorkDone,
    work_units,
)
from learnae.analysis.figures.spec import BLUE, GREY, ORANGE, Figure, Reference, Series, Shade, ShadedBand
from learnae.analysis.metric_words import metric_name
from learnae.analysis.money import final_payments_by_debt
from learnae.protocol.types import ETHER
from learnae.records.history import Evaluated, FaultBegan, FaultEnded, History


def figures(history: History, x: View = "units") -> list[Figure]:
    """Figures 4 to 8; with the paper's numbers if the session is the paper's.

    Faults are shaded only along seconds, because peers complete a work unit at different times.
    """
    shades = fault_windows(history) if x == "seconds" else ()
    drawn = [replace(figure, shades=shades) for figure in _figures(history, TimeAxis(history, x))]
    of_the_paper = history.session is not None and history.session.of_the_paper
    return drawn if of_the_paper else [replace(figure, references=()) for figure in drawn]


def fault_windows(history: History) -> tuple[Shade, ...]:
    """Fault windows; a fault without an end lasts to the end of the session."""
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
            "payments sent per peer",
            Reference("the paper:\n3\N{EN DASH}16, mean 9.4", 9.4, 3, 16),
            lambda wei: 1.0,
            "{low:.0f}{to}{high:.0f}, mean {mean:.1f}",
        ),
        _money(
            history,
            axis,
            "fig8-eth",
            "Fig. 8 \N{EN DASH} Cumulative amount of ETH sent",
            "ETH sent per peer",
            Reference("the paper:\n0.0005\N{EN DASH}0.0068,\nmean 0.003", 0.003, 0.0005, 0.0068),
            lambda wei: wei / ETHER,
            "{low:.4f}{to}{high:.4f}, mean {mean:.4f}",
        ),
    ]


def first_phase_shares(history: History) -> tuple[float, float]:
    """(training, averaging): shares of the work units up to a peer's last slice, mean over honest training peers."""
    return _first_phase(work_units(history))


def _first_phase(worked: Mapping[str, Track[str]]) -> tuple[float, float]:
    shares = []
    for kinds in (work.values for work in worked.values()):
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
        references=(Reference("the paper: equal\nshares at first", 0.5),),
        percent=True,
        outcome=f"{_first_phase(axis.units)[0]:.0%} training up to the last slice" if x else "",
    )


def _success_rate(history: History, axis: TimeAxis) -> Figure:
    tracks = history.folded(WorkDone).success
    x, mean = axis.over([axis.steps(tracks.get(name)) for name in axis.units], fmean)
    return Figure(
        "fig5-success-rate",
        "Fig. 5 \N{EN DASH} Cumulative success rate of averaging",
        axis.label,
        "share of averagings adopted",
        series=(Series("mean of peers", BLUE, x, mean),),
        references=(Reference("the paper: above\n20% at the end", 0.2),),
        percent=True,
        outcome=f"{mean[-1]:.1%} at the end" if x else "",
    )


def _accuracy(history: History, axis: TimeAxis) -> Figure:
    """A model counts from the time it was made, not from its later evaluation."""
    work = history.folded(WorkDone)
    validation = [axis.steps(work.scores.get(name)) for name in axis.units]
    test: dict[str, list[tuple[float, float]]] = {name: [] for name in axis.units}
    for record, evaluated in history.facts(Evaluated):
        if record.peer in test:
            position = axis.position(record.peer, work.made_at.get((record.peer, evaluated.cid), record.t))
            test[record.peer].append((position, evaluated.test.accuracy))
    tested = [sorted(models) for models in test.values() if models]
    followed = [_steps(models) for models in tested if len(models) > 1] or list(map(_steps, tested))
    x, mean, low, high = axis.over(followed, fmean, min, max)
    own_x, own = axis.over(validation, fmean)
    metric = metric_name(history)
    return Figure(
        "fig6-accuracy",
        f"Fig. 6 \N{EN DASH} Progress of model {metric}",
        axis.label,
        metric,
        series=(
            Series("test, mean of peers", BLUE, x, mean),
            Series("validation, mean of peers", ORANGE, own_x, own, dotted=True),
        ),
        bands=(ShadedBand("test, minimum to maximum", BLUE, x, low, high),),
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
    value: Callable[[int], float],
    outcome: str,
) -> Figure:
    """Cumulative over what was paid, by debt, each from the time it last became final."""
    final = sorted((at, payer, wei) for at, payer, _, wei in final_payments_by_debt(history))
    totals = {peer: [(0.0, 0.0)] for peer in history.honest}
    for at, payer, wei in final:
        if payer in totals:
            totals[payer].append((axis.position(payer, at), totals[payer][-1][1] + value(wei)))
    x, mean, low, high = axis.over(list(map(_steps, totals.values())), fmean, min, max)
    return Figure(
        name,
        title,
        axis.label,
        y_label,
        series=(Series("mean of peers", BLUE, x, mean),),
        bands=(ShadedBand("minimum to maximum", BLUE, x, low, high),),
        references=(reference,),
        outcome=outcome.format(low=low[-1], mean=mean[-1], high=high[-1], to="\N{EN DASH}") if x else "",
    )


def _steps(points: Sequence[tuple[float, float]]) -> Steps:
    return [position for position, _ in points], [value for _, value in points]

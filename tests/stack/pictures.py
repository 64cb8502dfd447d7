"""Take the pictures of docs/reference/page.md: the live page with the records of a real run up to a moment.

``python -m tests.stack.pictures FOLDER`` draws a hundred simulated peers that are split in half, one of them dead;
``python -m tests.stack.pictures FOLDER RUN...``, of each run, the states that occur in it.  All do in what
``learnae chaos run tests/stack/split-and-kill.toml --backend compose --out RUN`` leaves:

- running: when half of its averagings are over, but before the first fault
- partition: a second before the first fault of links ends
- dead: a second before the first peer that was killed comes back
- finished: with its verdict, and once as long as the page is
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, FloatRect, Page, sync_playwright
from tests.helpers.swarms import run
from tests.stack.browser import QUIET, program
from tests.stack.stage import Stage

from learnae.adapters.run_directory import RunDirectory
from learnae.analysis.checks import verdict
from learnae.protocol.decisions import Averaged
from learnae.records.history import (
    FaultBegan,
    FaultEnded,
    History,
    PeerCrashed,
    PeerRestarted,
    Record,
    SessionBegan,
)
from learnae.records.outcome import BackendName

Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
WIDTHS = {"desk": 1440, "phone": 390}
TOP = ("peers", "topology", "faults")  # charts of its upper half
BACKENDS = {BackendName.LIVE: BackendName.COMPOSE}  # journals do not tell where they were written
MARGIN = 32  # px below the last section
PATIENCE = 300_000  # ms: a machine that is busy draws, too


def moments(history: History) -> Iterator[tuple[str, float]]:
    averaged = [record.t for record, _ in history.facts(Averaged)]
    begun = [record.t for record, _ in history.facts(FaultBegan)]
    if averaged:
        yield "running", min([averaged[len(averaged) // 2], *(t - 1 for t in begun)])
    links = {fact.window for _, fact in history.facts(FaultBegan) if fact.fault.network}
    healed = [record.t for record, fact in history.facts(FaultEnded) if fact.window in links]
    crashed = {record.peer for record, _ in history.facts(PeerCrashed)}
    back = [record.t for record, _ in history.facts(PeerRestarted) if record.peer in crashed]
    for state, ends in (("partition", healed), ("dead", back)):
        if ends:
            yield state, ends[0] - 1
    yield "finished", history.seconds


def told(history: History, until: float) -> list[Record]:
    records = [each for each in history.records if each.t <= until]
    began = records[0].fact
    assert isinstance(began, SessionBegan)
    named = replace(began, backend=BACKENDS.get(began.backend, began.backend))
    return [replace(records[0], fact=named), *records[1:]]


def photograph(browser: Browser, stage: Stage, folder: Path, name: str) -> None:
    """Its upper half, at every width, by day and by night."""
    for size, width in WIDTHS.items():
        for scheme in SCHEMES:
            page = opened(browser, stage, width, scheme)
            shown(page, TOP)
            below = page.evaluate("document.getElementById('network').getBoundingClientRect().bottom + scrollY")
            clip: FloatRect = {"x": 0, "y": 0, "width": width, "height": below + MARGIN}
            page.screenshot(path=folder / f"{name}-{size}-{scheme}.png", full_page=True, clip=clip)
            page.close()


def whole(browser: Browser, stage: Stage, folder: Path, name: str) -> None:
    """All of it, on a desk by day."""
    page = opened(browser, stage, WIDTHS["desk"], "light")
    shown(page, page.evaluate("[...document.querySelectorAll('[data-chart]')].map(each => each.dataset.chart)"))
    page.screenshot(path=folder / f"{name}-whole.png", full_page=True)
    page.close()


def opened(browser: Browser, stage: Stage, width: int, scheme: Scheme) -> Page:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.set_default_timeout(PATIENCE)
    page.goto(stage.address)
    page.wait_for_selector("#state:not(.waiting)")
    return page


def shown(page: Page, charts: Sequence[str]) -> None:
    """What is out of sight is not drawn."""
    for chart in charts:
        frame = page.locator(f"[data-chart={chart}]:not(.empty)")
        if frame.count():
            frame.scroll_into_view_if_needed()
            frame.locator(".main-svg").first.wait_for()
    page.evaluate("scrollTo({top: 0, behavior: 'instant'})")


@contextmanager
def staged(records: Sequence[Record], found: dict[str, Any] | None = None) -> Iterator[Stage]:
    stage = Stage()
    stage.open()
    stage.tell(records, found)
    yield stage
    stage.close()


def of_run(browser: Browser, folder: Path, run: Path) -> None:
    history = RunDirectory(run).read()
    for state, until in moments(history):
        records, over = told(history, until), state == "finished"
        assert isinstance(began := records[0].fact, SessionBegan)
        with staged(records, verdict(history) if over else None) as stage:
            name = f"page-{began.backend}-{state}"
            photograph(browser, stage, folder, name)
            if over:
                whole(browser, stage, folder, name)


def of_hundred(browser: Browser, folder: Path) -> None:
    split = {"kind": "split", "at": 4.0, "duration": 60.0}
    kill = {"kind": "kill", "at": 5.0, "duration": 60.0, "targets": ["p82"]}
    session = {"peers": 100, "work": {"slices": 10}, "pace": {"slice": 1.0, "attempt": 0.4}, "faults": [split, kill]}
    records = run(session).records
    [killed] = [each.t for each in records if isinstance(each.fact, PeerCrashed)]
    with staged([each for each in records if each.t <= killed + 4]) as stage:
        whole(browser, stage, folder, "page-hundred")


def main(folder: Path, runs: Sequence[Path]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program(), args=QUIET)
        for each in runs:
            of_run(browser, folder, each)
        if not runs:
            of_hundred(browser, folder)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(each) for each in sys.argv[2:]])

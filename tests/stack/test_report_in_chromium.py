"""The page in a real browser: it draws itself at any width, by day and by night, and asks nobody for anything."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from tests.helpers.swarms import groups, run
from tests.stack.browser import becomes, chromium, new_page

from learnae.web.report import page, plotly

pytestmark = pytest.mark.real

__all__ = ["chromium"]  # a fixture is found by its name

SCORES: dict[str, dict[str, float | None]] = {
    "alone": {"mean": 0.70, "min": 0.60, "max": 0.75},
    "always-average": {"mean": 0.79, "min": 0.78, "max": 0.80},
    "pooled": {"mean": 0.80, "min": 0.80, "max": 0.80},
}
MIXED = groups({"count": 1, "policy": "refuses-to-pay"}, {"count": 1, "has_rows": False}, {})
STORM = {
    "peers": 6,
    "work": {"slices": 10},
    "pace": {"slice": 1.0, "attempt": 0.4},
    "faults": [
        {"kind": "split", "at": 4.0, "duration": 8.0},
        {"kind": "kill", "at": 6.0, "duration": 4.0, "targets": ["p01"]},
    ],
}
SWARMS = {"3 peers": {"peers": 3}, "20 peers": {"peers": 20} | MIXED, "100 peers": {"peers": 100}, "faults": STORM}
PHONE, DESK = 390, 1440


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A page for each swarm."""
    folder, library, written = tmp_path_factory.mktemp("reports"), plotly(), {}
    for name, changes in SWARMS.items():
        ended = run({"work": {"slices": 4, "patience": 5}} | changes)
        written[name] = folder / f"{name}.html"
        found = ended.verdict | {"root": "5ea1" * 16}
        written[name].write_text(page(ended.history, found, library, {"python": "3"}, SCORES))
    return written


@dataclass
class Visit:
    """Opens a page and waits until it is drawn; remembers all that was said and asked for on the way."""

    browser: Browser
    reports: dict[str, Path]
    opened: list[Page] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def __call__(self, swarm: str = "20 peers", width: int = DESK, dark: bool = False) -> Page:
        visited = new_page(self.browser, width, dark)
        self.opened.append(visited)
        visited.on("console", lambda message: self.said.append(message.text))
        visited.on("pageerror", lambda error: self.said.append(str(error)))
        visited.on("request", lambda request: self.asked.append(request.url))
        visited.goto(self.reports[swarm].as_uri())
        drawn(visited, dark)
        return visited


@pytest.fixture
def visit(chromium: Browser, reports: dict[str, Path]) -> Iterator[Visit]:
    visit = Visit(chromium, reports)
    yield visit
    for each in visit.opened:
        each.close()


def drawn(visited: Page, dark: bool) -> None:
    """Wait until all charts are drawn in these colours."""
    visited.wait_for_selector(f"html[data-drawn={'dark' if dark else 'light'}]", state="attached")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_the_page_draws_itself_without_a_word_and_without_the_network(visit: Visit, width: int, dark: bool) -> None:
    visited = visit("20 peers", width, dark)
    visited.get_by_label("seconds").check()
    visited.wait_for_selector("[data-units]:has-text('session time (s)')")
    drawn(visited, dark)
    assert visit.said == []
    assert visit.asked == [visit.reports["20 peers"].as_uri()]


SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.mark.parametrize("width", [320, PHONE, DESK])
def test_the_page_never_scrolls_sideways_folded_or_unfolded(visit: Visit, width: int) -> None:
    visited = visit(width=width)
    becomes(visited, SIDEWAYS, 0)
    visited.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    becomes(visited, SIDEWAYS, 0)


EMPTY_FRAMES = """[...document.querySelectorAll("[data-chart]")]
    .filter(frame => !frame.querySelector(".trace path, .hm image, .point, .sankey-link"))
    .map(frame => frame.dataset.chart)"""


@pytest.mark.parametrize("swarm", SWARMS)
def test_every_frame_holds_a_chart(visit: Visit, swarm: str) -> None:
    visited = visit(swarm)
    more = {"faults": 1, "20 peers": 2}  # the faults along time; the flow between peers of different roles
    assert visited.locator("[data-chart]").count() == 12 + more.get(swarm, 0)
    becomes(visited, EMPTY_FRAMES, [])


def test_faults_are_drawn_along_time_and_told_in_a_table(visit: Visit) -> None:
    visited = visit("faults")
    assert visited.locator("[data-chart=faults] .point").count() == 2
    assert visited.locator("#faults tbody td:has-text('applied')").count() == 2
    visited.get_by_label("seconds").check()
    visited.wait_for_selector("[data-chart=fig7-payments] text:has-text('split')")
    assert visit.said == []


CUT = """[...document.querySelectorAll("[data-chart]")].flatMap(frame => {
    const box = frame.getBoundingClientRect();
    return [...frame.querySelectorAll(".annotation-text, .xtick text, .ytick text")].filter(text => {
        const { left, right, top, bottom } = text.getBoundingClientRect();
        return left < box.left - 1 || right > box.right + 1 || top < box.top - 1 || bottom > box.bottom + 1;
    }).map(text => `${frame.dataset.chart}: ${text.textContent}`);
})"""


@pytest.mark.parametrize("width", [PHONE, DESK])
@pytest.mark.parametrize("swarm", SWARMS)
def test_no_word_of_a_chart_is_cut_off(visit: Visit, swarm: str, width: int) -> None:
    visited = visit(swarm, width)
    becomes(visited, CUT, [])
    becomes(visited, SIDEWAYS, 0)


INK = "getComputedStyle(document.querySelector('[data-chart] .xtick text')).fill"
PAPER = "getComputedStyle(document.documentElement).backgroundColor"


def test_charts_change_colours_with_the_page_when_night_falls(visit: Visit) -> None:
    visited = visit()
    day = visited.evaluate(INK), visited.evaluate(PAPER)
    visited.emulate_media(color_scheme="dark")
    drawn(visited, dark=True)
    night = visited.evaluate(INK), visited.evaluate(PAPER)
    assert day == ("rgb(43, 48, 53)", "rgb(255, 255, 255)")
    assert night == ("rgb(231, 234, 237)", "rgb(20, 24, 28)")


def test_a_page_that_becomes_narrow_draws_itself_again(visit: Visit) -> None:
    visited = visit()
    visited.set_viewport_size({"width": PHONE, "height": 900})
    visited.wait_for_function("document.querySelectorAll('[data-chart] .annotation').length === 0")
    drawn(visited, dark=False)
    becomes(visited, SIDEWAYS, 0)
    becomes(visited, CUT, [])


def test_figures_can_be_seen_along_seconds(visit: Visit) -> None:
    visited = visit()
    before = visited.locator("[data-chart=fig7-payments] .xtick text").all_text_contents()
    visited.get_by_label("seconds").check()
    visited.wait_for_selector("[data-units]:has-text('session time (s)')")
    drawn(visited, dark=False)
    assert visited.locator("[data-chart=fig7-payments] .xtick text").all_text_contents() != before


def test_all_that_can_be_opened_or_chosen_is_reached_by_keyboard(visit: Visit) -> None:
    visited = visit()
    reached = set()
    for _ in range(60):
        visited.keyboard.press("Tab")
        reached.add(visited.evaluate("document.activeElement.tagName"))
        if visited.evaluate("document.activeElement.matches('#settings summary')"):
            break
    assert {"A", "INPUT", "SUMMARY", "DIV"} <= reached
    visited.keyboard.press("Enter")
    assert visited.get_by_text("work.patience").is_visible()

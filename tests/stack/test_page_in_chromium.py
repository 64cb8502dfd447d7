"""The live page in a real browser: waiting, running, over, cut off and back; at any width, by day and by night."""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.helpers.swarms import Run, groups, run
from tests.stack.browser import becomes, chromium, new_page
from tests.stack.stage import Stage

from learnae.records.history import Fact, PeerCrashed, Record, SessionBegan
from learnae.session.settings import Session

pytestmark = pytest.mark.real

__all__ = ["chromium"]  # a fixture is found by its name

PHONE, DESK = 390, 1440
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
NASTY = """<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>"""


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    stage.open()
    yield stage
    stage.close()


@dataclass
class Visit:
    """Opens the page; remembers all that was said and asked for on the way."""

    browser: Browser
    stage: Stage
    opened: list[Page] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def __call__(self, width: int = DESK, dark: bool = False) -> Page:
        page = new_page(self.browser, width, dark)
        self.opened.append(page)
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))
        page.goto(self.stage.address)
        return page


@pytest.fixture
def visit(chromium: Browser, stage: Stage) -> Iterator[Visit]:
    visit = Visit(chromium, stage)
    yield visit
    for each in visit.opened:
        each.close()


@pytest.fixture(scope="module")
def six() -> Run:
    mixed = groups({"count": 1, "policy": "refuses-to-pay"}, {"count": 1, "has_rows": False}, {})
    return run({"peers": 6, "name": "six", "work": {"slices": 4, "patience": 5}} | mixed)


@pytest.fixture(scope="module")
def storm() -> Run:
    """Two halves that cannot reach each other; in the middle of it one peer is killed, and comes back."""
    split = {"kind": "split", "at": 4.0, "duration": 8.0}
    kill = {"kind": "kill", "at": 6.0, "duration": 4.0, "targets": ["p01"]}
    pace = {"slice": 1.0, "attempt": 0.4}
    return run({"peers": 6, "name": "storm", "work": {"slices": 10}, "pace": pace, "faults": [split, kill]})


def after(session: Run, kind: type[Fact], seconds: float = 1.0) -> list[Record]:
    """The session until so many seconds after the last fact of a kind."""
    last = max(record.t for record in session.records if isinstance(record.fact, kind))
    return [record for record in session.records if record.t <= last + seconds]


@pytest.fixture(scope="module")
def crowd() -> Run:
    return run({"peers": 100, "network": {"degree": 4}, "work": {"slices": 2, "patience": 3}})


def state(page: Page, expected: str) -> None:
    expect(page.locator("#state")).to_contain_text(expected)


def drawn(page: Page, chart: str) -> None:
    frame = page.locator(f"[data-chart={chart}]")
    frame.scroll_into_view_if_needed()
    expect(frame.locator(".main-svg").first).to_be_visible()


def half(session: Run) -> list[Record]:
    return session.records[: len(session.records) // 2]


# its states


def test_before_the_first_peer_the_page_says_that_it_waits(visit: Visit) -> None:
    page = visit()
    state(page, "waiting")
    expect(page.get_by_text("Waiting for the first peer")).to_be_visible()
    expect(page.locator(".plot.empty")).to_have_count(page.locator(".plot").count())
    assert visit.said == []


def test_a_session_appears_on_the_page_that_waited_for_it_and_ends_with_its_verdict(visit: Visit, six: Run) -> None:
    page = visit()
    state(page, "waiting")
    visit.stage.tell(half(six))
    state(page, "running")
    expect(page.get_by_role("heading", level=1)).to_have_text("Session six")
    expect(page.locator("[data-table=peers] tbody tr")).to_have_count(6)
    drawn(page, "peers")
    expect(page.locator("#outcome")).to_be_hidden()
    visit.stage.tell(six.records[len(half(six)) :], six.verdict)
    state(page, "passed")
    expect(page.locator("#outcome")).to_contain_text("all debts are settled")
    expect(page.locator("#count-done")).to_have_text("6")
    assert visit.said == []


@pytest.mark.parametrize("of_the_paper", [True, False])
def test_only_the_papers_own_session_is_compared_with_the_paper(visit: Visit, six: Run, of_the_paper: bool) -> None:
    first, *rest = six.records
    assert isinstance(first.fact, SessionBegan)
    session = Session(peers=6) if of_the_paper else first.fact.session
    visit.stage.tell([replace(first, fact=replace(first.fact, session=session)), *rest])
    page = visit()
    row = page.locator("[data-table=results] tr", has_text="payments sent per peer, mean")
    expect(row.locator(":is(th, td):visible")).to_have_count(3 if of_the_paper else 2)
    caption = page.locator("[data-text=fig7-payments-paper]")
    expect(caption).to_have_text("The paper: 3\N{EN DASH}16, mean 9.4." if of_the_paper else "")


def test_a_check_that_failed_is_named_with_its_reason(visit: Visit, six: Run) -> None:
    broken = {"result": "invalid", "reason": "a wei is missing"}
    found = six.verdict | {"verdict": "invalid", "checks": six.verdict["checks"] | {"wei_conserved": broken}}
    visit.stage.tell(six.records, found)
    page = visit()
    state(page, "failed")
    expect(page.locator("#outcome-problems")).to_have_text("wei_conserved failed: a wei is missing")


def test_a_lost_connection_is_said_and_what_was_missed_arrives_without_a_reload(visit: Visit, six: Run) -> None:
    visit.stage.tell(half(six))
    page = visit()
    state(page, "running")
    page.evaluate("window.same = true")
    before = page.locator("#log li").count()
    visit.stage.vanish()
    expect(page.locator("#connection")).to_contain_text("Connection lost")
    visit.stage.tell(six.records[len(half(six)) :], six.verdict)
    visit.stage.open()
    state(page, "passed")
    expect(page.locator("#connection")).to_have_text("")
    assert page.evaluate("window.same")
    seen = page.locator("#log li").all_text_contents()
    page.reload()
    state(page, "passed")
    assert len(seen) > before and seen == page.locator("#log li").all_text_contents()


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_during_a_partition_the_page_shows_which_links_are_cut_and_who_is_down(
    visit: Visit, storm: Run, width: int, dark: bool
) -> None:
    visit.stage.tell(after(storm, PeerCrashed))
    page = visit(width, dark)
    state(page, "running")
    drawn(page, "topology")
    drawn(page, "faults")
    expect(page.locator("[data-text=topology]")).to_have_text("9 links are cut; p01 is down.")
    expect(page.locator("[data-text=faults]")).to_contain_text("Active: #1 split, #2 kill.")
    expect(page.locator("[data-table=faults] .is-active")).to_have_count(2)
    expect(page.locator("#count-down")).to_have_text("1")
    label = page.locator("[data-chart=topology]").get_attribute("aria-label")
    assert label and "9 links are cut" in label
    becomes(page, SIDEWAYS, 0)
    assert visit.said == []


def test_what_is_healed_is_shown_as_healed_without_a_reload(visit: Visit, storm: Run) -> None:
    during = after(storm, PeerCrashed)
    visit.stage.tell(during)
    page = visit()
    expect(page.locator("[data-text=topology]")).to_contain_text("p01 is down")
    visit.stage.tell(storm.records[len(during) :], storm.verdict)
    state(page, "passed")
    expect(page.locator("[data-text=topology]")).to_have_text("No link is cut.")
    expect(page.locator("[data-text=faults]")).to_have_text("2 of 2 faults have begun.")
    expect(page.locator("[data-table=faults] .is-applied")).to_have_count(2)
    assert visit.said == []


def test_a_session_without_faults_says_so_in_a_line(visit: Visit, six: Run) -> None:
    visit.stage.tell(half(six))
    page = visit()
    expect(page.locator("[data-text=faults]")).to_have_text("No faults are planned in this session.")
    expect(page.locator("[data-chart=faults]")).to_be_hidden()
    expect(page.locator("[data-table=faults]")).to_be_hidden()


def test_every_claim_stands_in_the_directory_with_its_verdict(visit: Visit, six: Run) -> None:
    visit.stage.tell(six.records, six.verdict)
    page = visit()
    expect(page.locator("[data-table=claims] tbody tr")).to_have_count(6)
    expect(page.locator("[data-table=claims] .is-winner")).to_have_count(6)


def test_when_the_server_of_a_session_that_is_over_stops_the_page_says_so(visit: Visit, six: Run) -> None:
    visit.stage.tell(six.records, six.verdict)
    page = visit()
    state(page, "passed")
    visit.stage.vanish()
    expect(page.locator("#connection")).to_contain_text("The server has stopped")
    expect(page.locator("[data-table=peers] tbody tr")).to_have_count(6)
    visit.stage.open()


# its parts


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_the_page_draws_itself_without_a_word_and_asks_nobody_else(
    visit: Visit, six: Run, width: int, dark: bool
) -> None:
    visit.stage.tell(six.records, six.verdict)
    page = visit(width, dark)
    for chart in ("peers", "topology", "fig4-work-types", "fig8-eth", "flow", "matrix", "accounts"):
        drawn(page, chart)
    page.get_by_label("seconds").check()
    drawn(page, "fig6-accuracy")
    becomes(page, "document.documentElement.dataset.drawn", "dark" if dark else "light")
    becomes(page, SIDEWAYS, 0)
    assert visit.said == []
    assert all(address.startswith(visit.stage.address) for address in visit.asked if not address.startswith("data:"))


def test_the_log_can_be_about_one_peer(visit: Visit, six: Run) -> None:
    visit.stage.tell(six.records, six.verdict)
    page = visit()
    expect(page.locator("#log-peer option")).to_have_count(7)
    page.locator("#log-peer").select_option("p03")
    names = page.locator("#log li b")
    expect(names.filter(has_not_text="p03")).to_have_count(0)
    expect(names.first).to_have_text("p03")


def downloaded(page: Page) -> list[dict[str, str]]:
    with page.expect_download() as waited:
        page.get_by_role("button", name="as CSV").click()
    return list(csv.DictReader(waited.value.path().read_text().splitlines()))


def test_all_receipts_can_be_downloaded_to_the_wei(visit: Visit, six: Run) -> None:
    visit.stage.tell(six.records, six.verdict)
    page = visit()
    state(page, "passed")
    rows = downloaded(page)
    assert len(rows) == len(six.history.debts)
    final = sum(int(row["amount_wei"]) for row in rows if row["state"] == "final")
    assert final == sum(wei for *_, wei in six.payments())
    assert visit.said == []


def test_what_the_filter_leaves_is_what_is_downloaded_and_the_button_says_so(visit: Visit, six: Run) -> None:
    visit.stage.tell(six.records, six.verdict)
    page = visit()
    state(page, "passed")
    page.get_by_role("searchbox", name="Filter").fill("P03 final")
    some = re.compile(rf"the [1-9]\d* of {len(six.history.debts)} receipts shown")
    expect(page.locator("#download")).to_contain_text(some)
    texts = page.locator("[data-table=receipts] tbody tr:visible").all_text_contents()
    expect(page.locator("#download")).to_contain_text(f"the {len(texts)} of")
    assert texts and all("p03" in text and "final" in text for text in texts)
    rows = downloaded(page)
    assert len(rows) == len(texts)
    assert all("p03" in (row["payer"], row["creator"]) and row["state"] == "final" for row in rows)
    page.get_by_role("searchbox", name="Filter").fill("nobody")
    expect(page.locator("#download")).to_be_disabled()


def renamed(ended: Run, prefix: str, **changes: Any) -> list[Record]:
    """Every peer's name begins with this."""
    began = ended.records[0].fact
    assert isinstance(began, SessionBegan)
    roster = tuple(replace(each, name=prefix + each.name) for each in began.roster)
    told = replace(began, roster=roster, **changes)
    return [Record(0.0, "swarm", told), *(replace(each, peer=prefix + each.peer) for each in ended.records[1:-1])]


def test_a_spreadsheet_takes_no_name_for_a_formula(visit: Visit, six: Run) -> None:
    visit.stage.tell(renamed(six, '=1+"2"'))
    page = visit()
    state(page, "running")
    assert '\'=1+"2"p03' in {row["payer"] for row in downloaded(page)}


def test_receipts_begin_with_the_newest(visit: Visit, six: Run) -> None:
    visit.stage.tell(six.records)
    page = visit()
    rows = page.locator("[data-table=receipts] tbody tr")
    expect(rows).to_have_count(len(six.history.debts))
    times = [float(text.split()[0]) for text in rows.locator("th").all_text_contents()]
    assert times == sorted(times, reverse=True)


def test_each_peer_leads_to_its_own_api(visit: Visit, six: Run) -> None:
    visit.stage.tell(half(six))
    links = visit().locator("[data-table=peers] tbody a")
    expect(links).to_have_count(6)
    assert links.first.get_attribute("href") == "peers/p00/v1/status"


def test_names_from_the_wire_stay_text(visit: Visit, six: Run) -> None:
    assert six.history.began
    settings = replace(six.history.began.session, name=NASTY)
    visit.stage.tell(renamed(six, NASTY, backend=NASTY, session=settings))
    page = visit(PHONE)
    state(page, "running")
    expect(page.get_by_role("heading", level=1)).to_contain_text(NASTY)
    for chart in ("topology", "flow", "matrix", "accounts"):
        drawn(page, chart)
    assert page.title() == f"LEARNAE: {NASTY}"
    assert page.locator("img").count() == 0
    becomes(page, SIDEWAYS, 0)
    assert visit.said == []


def test_charts_change_colours_with_the_page_when_night_falls(visit: Visit, six: Run) -> None:
    visit.stage.tell(six.records)
    page = visit()
    ink = page.locator("[data-chart=peers] .xtick text").first
    expect(ink).to_have_css("fill", "rgb(43, 48, 53)")
    page.emulate_media(color_scheme="dark")
    expect(ink).to_have_css("fill", "rgb(231, 234, 237)")


def test_everything_that_can_be_used_is_reached_by_keyboard_and_has_a_name(visit: Visit, six: Run) -> None:
    visit.stage.tell(six.records, six.verdict)
    page = visit()
    state(page, "passed")
    reached = set()
    for _ in range(70):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.tagName"))
    assert {"A", "SELECT", "INPUT", "BUTTON", "OL", "DIV"} <= reached
    unnamed = "[role=img], [role=region], ol[tabindex]"
    assert page.evaluate(f"[...document.querySelectorAll('{unnamed}')].every(each => each.ariaLabel)")


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_a_hundred_peers_fit(visit: Visit, crowd: Run, width: int) -> None:
    visit.stage.tell(crowd.records, crowd.verdict)
    page = visit(width)
    expect(page.locator("[data-table=peers] tbody tr")).to_have_count(100)
    for chart in ("peers", "topology", "flow", "matrix", "accounts"):
        drawn(page, chart)
    expect(page.locator("[data-text=flow]")).to_contain_text("only the 20 with the largest amounts are named")
    expect(page.locator("[data-chart=flow] .sankey-node")).to_have_count(42)
    becomes(page, SIDEWAYS, 0)
    assert visit.said == []

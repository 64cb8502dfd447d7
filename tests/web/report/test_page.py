"""The page: it needs nothing else, says the same in words as in pictures, and trusts nothing that comes from a run."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from tests.helpers.histories import GOOD, OF_THE_PAPER, PEER, SETTINGS, TOLD, amended, fact_is, score

from learnae.analysis.checks import CHECKS, verdict
from learnae.analysis.figures import figures
from learnae.analysis.group_flows import run_flows
from learnae.analysis.paper_comparison import result_rows
from learnae.protocol.decisions import Trained
from learnae.protocol.policies import Policy
from learnae.protocol.types import Cid
from learnae.records.history import History, ReadingPublished, Record, SessionBegan
from learnae.records.roster_entry import RosterEntry
from learnae.session.settings import Group, ScoreSettings
from learnae.web.charts.theme import DARK, NAMES
from learnae.web.report import flows_page, page

EMPTY = History(())
SCORES: dict[str, dict[str, float | None]] = {
    "alone": {"mean": 0.70, "min": 0.60, "max": 0.75},
    "pooled": {"mean": 0.80, "min": 0.80, "max": 0.80},
    "swarm": {"mean": 0.725, "min": 0.71, "max": None},
}
VOID = {"input", "meta", "link"}
NASTY = """</script><script>alert(1)</script><img src=x onerror="alert(2)">'&"""


class Reader(HTMLParser):
    """The page as a browser's parser sees it: every element with its attributes, and the text of scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.scripts: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"{tag} ends inside another element"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data
        else:
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def values(self, attribute: str) -> list[str]:
        return [value for _, attributes in self.elements if (value := attributes.get(attribute)) is not None]

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())

    @property
    def charts(self) -> dict[str, Any]:
        charts: dict[str, Any] = json.loads(self.scripts[0])["charts"]
        return charts


def read(history: History = GOOD, **beside: Any) -> Reader:
    return Reader(page(history, beside.pop("found", verdict(history)), "/* Plotly */", **beside))


@pytest.fixture(scope="module")
def whole() -> Reader:
    return read(baselines=SCORES, environment={"commit": "abc", "packages": {"torch": "2.7"}})


# one file, which is sound


@pytest.mark.parametrize("length", [0, 1, 9, 20, 40, len(TOLD)])
def test_any_part_of_a_session_has_a_page_whose_elements_nest(length: int) -> None:
    assert read(replace(GOOD, records=GOOD.records[:length])).open == []


def test_the_root_of_the_seal_is_in_the_header_once_there_is_one() -> None:
    root = "5ea1" * 16
    assert f"Records sealed with root {root}." in read(found={"root": root, **verdict(GOOD)}).text
    assert "Records sealed" not in read(found={"root": None, **verdict(GOOD)}).text


def test_nothing_is_fetched(whole: Reader) -> None:
    assert not whole.values("src")
    assert all(address.startswith(("#", "data:")) for address in whole.values("href"))
    assert not re.search(r"url\(|@import|https?:", page(GOOD, verdict(GOOD), ""))


def test_the_page_forbids_itself_the_network(whole: Reader) -> None:
    (policy,) = [each["content"] for each in whole.all("meta") if each.get("http-equiv") == "Content-Security-Policy"]
    assert policy and policy.startswith("default-src 'none';")
    assert "connect-src" not in policy and "http" not in policy


def test_the_library_is_in_the_page_as_it_is() -> None:
    library = "if (a < b && c > d) { x = '&amp;' }"
    assert Reader(page(GOOD, verdict(GOOD), library)).scripts[1] == library


def test_the_same_history_gives_the_same_page() -> None:
    assert page(GOOD, verdict(GOOD), "", {}, SCORES) == page(GOOD, verdict(GOOD), "", {}, SCORES)


# nothing that comes from a run is trusted


def hostile() -> tuple[History, dict[str, Any]]:
    """A session whose every name and text would like to be a script."""
    began = TOLD[0][1]
    assert isinstance(began, SessionBegan)
    entries = tuple(
        RosterEntry(NASTY + each.name, each.peer, each.wallet, True, True, True, Policy.HONEST) for each in began.roster
    )
    settings = replace(began.session, name=NASTY, about=NASTY)
    first = Record(0.0, "swarm", replace(began, session=settings, roster=entries))
    rest = (replace(each, peer=NASTY + each.peer) for each in GOOD.records[1:])
    history = History((first, *rest))
    found = verdict(history) | {"verdict": NASTY, "ended_by": NASTY}
    found["checks"][NASTY] = {"result": NASTY, "reason": NASTY}
    found["summary"]["debts_by_state"][NASTY] = 1
    return history, found


def test_what_a_history_says_stays_text() -> None:
    history, found = hostile()
    scores = {NASTY: SCORES["alone"], "alone": SCORES["alone"]}
    reader = read(history, found=found, environment={NASTY: {NASTY: NASTY}}, baselines=scores)
    assert len(reader.scripts) == 3
    assert not reader.all("img")
    assert not [key for _, attributes in reader.elements for key in attributes if key.startswith("on")]
    assert NASTY in reader.text


def test_charts_get_names_in_which_plotly_finds_no_markup() -> None:
    history, found = hostile()
    charts = json.dumps(read(history, found=found).charts)
    assert "alert(1)" in charts
    assert "<script" not in charts and "<img" not in charts


# what it says


def test_the_verdict_comes_first_and_says_how_it_ended(whole: Reader) -> None:
    head = whole.text[: whole.text.index("Each check recomputes")]
    assert "passed" in head and "5 peers" in head
    assert "all debts are settled" in head


def test_every_check_is_named_with_its_result_and_what_it_asserts(whole: Reader) -> None:
    for name, check in CHECKS.items():
        assert name in whole.text
        assert " ".join((check.__doc__ or "").split("\n")[0].split()) in whole.text


def test_a_check_that_fails_is_seen_at_once_with_its_reason() -> None:
    spoilt = amended(fact_is("ann", type(GOOD.debts["ann", 0][-1][1]), debt=0), wei=1)
    reader = read(spoilt)
    assert verdict(spoilt)["checks"]["amounts_follow_reward_function"]["reason"] in reader.text
    assert [each for each in reader.all("details") if "open" in each]
    assert not [each for each in read().all("details") if "open" in each]


def test_the_papers_numbers_stand_beside_those_of_its_own_session() -> None:
    reader = read(OF_THE_PAPER)
    for what, _, paper in result_rows(verdict(OF_THE_PAPER)["summary"], True):
        assert what in reader.text
        assert paper in reader.text
    assert "The paper: 3\N{EN DASH}16, mean 9.4." in reader.text
    assert len(reader.charts["fig7-payments"]["layout"]["annotations"]) == 1


def test_another_session_is_not_compared_with_the_paper(whole: Reader) -> None:
    for what, value in result_rows(verdict(GOOD)["summary"], False):
        assert what in whole.text and value.split(", ")[0] in whole.text
    assert "The paper" not in whole.text and "the paper 20 of 20" not in whole.text
    assert not any(chart["layout"].get("annotations") for chart in whole.charts.values())


def test_models_that_are_scored_by_another_metric_have_no_accuracy() -> None:
    assert GOOD.session
    rest = [record for record in GOOD.records if not isinstance(record.fact, SessionBegan)]
    began = next(record for record in GOOD.records if isinstance(record.fact, SessionBegan))
    assert isinstance(began.fact, SessionBegan)
    ours = replace(began.fact, session=replace(GOOD.session, score=ScoreSettings("auc")))
    history = replace(GOOD, records=(replace(began, fact=ours), *rest))
    reader = read(history, baselines=SCORES)
    measured = reader.text.partition("Settings and environment")[0].partition("Results")[2]
    measured += Reader(flows_page("mine", {"": [run_flows(history)]}, "/* Plotly */")).text
    assert "test AUC, mean" in measured and "Progress of model AUC" in measured
    assert not re.findall(".{30}accurac.{30}", measured.lower())


def test_a_number_that_a_run_cannot_give_is_a_dash() -> None:
    rows = {what: value for what, value in result_rows(verdict(EMPTY)["summary"], False)}
    assert rows["ETH sent per peer, range"] == "-"
    assert rows["wall time"] == "-"
    assert rows["debts by state"] == "none"


def test_each_figure_is_drawn_along_units_and_seconds_and_said_in_words(whole: Reader) -> None:
    for figure in figures(GOOD):
        assert {figure.name, f"{figure.name}-seconds"} <= whole.charts.keys()
        assert f"This run: {figure.outcome}." in whole.text
        assert figure.x_label in whole.text and figure.y_label in whole.text
        for label in [each.label for each in figure.series] + [each.label for each in figure.bands]:
            assert label in whole.text


def test_without_baselines_the_page_says_how_to_make_them(whole: Reader) -> None:
    assert "learnae baselines RUN" in read().text
    assert "learnae baselines RUN" not in whole.text


def test_baselines_stand_beside_the_swarm_with_what_they_gain_against_alone(whole: Reader) -> None:
    assert whole.charts["baselines"]["data"][0]["y"] == ["alone", "swarm", "pooled"]
    for gain in ("+0.00 pp", "+2.50 pp", "+10.00 pp"):
        assert gain in whole.text


def test_the_greatest_test_accuracy_of_the_swarm_comes_from_the_history(whole: Reader) -> None:
    (trace,) = whole.charts["baselines"]["data"]
    assert trace["error_x"]["arrayminus"][1] == pytest.approx(0.015)
    assert trace["error_x"]["array"][1] == pytest.approx(0.015)
    assert "74.00%" in whole.text


def test_settings_and_environment_are_spelled_out_by_dotted_name(whole: Reader) -> None:
    for word in ("reward.function", "proportional", "packages.torch", "2.7", "commit"):
        assert word in whole.text


def test_groups_of_a_session_are_numbered() -> None:
    began = fact_is("swarm", SessionBegan)
    reader = read(amended(began, session=replace(SETTINGS, groups=(Group(2), Group(policy=Policy.SPAMMER)))))
    assert "groups.0.count" in reader.text and "groups.1.policy" in reader.text
    assert "groups.1.count" not in reader.text


def test_the_header_says_when_and_by_which_version_the_run_was_recorded() -> None:
    made = {"date": "2026-11-29 20:00 UTC", "commit": "127472ad" * 5, "dirty": True}
    sentence = "Recorded on 2026-11-29 20:00 UTC by commit 127472ad1274 with uncommitted changes."
    assert sentence in read(environment=made).text
    installed = {"date": "2026-11-29 20:00 UTC", "commit": None, "code_sha256": "c0de" * 16}
    assert "Recorded on 2026-11-29 20:00 UTC by code c0dec0dec0de." in read(environment=installed).text
    assert "Recorded on 2026-11-29 20:00 UTC." in read(environment={"date": "2026-11-29 20:00 UTC"}).text
    assert "Recorded on" not in read().text


# for every reader


def test_every_frame_has_its_chart_and_a_label(whole: Reader) -> None:
    frames = [each for each in whole.all("div") if "data-chart" in each]
    assert {each["data-chart"] for each in frames} == {
        *(figure.name for figure in figures(GOOD)),
        "flow",
        "latency-models",
        "latency-money",
        "matrix",
        "accounts",
        "group-flow",
        "group-flow-time",
        "gains",
        "baselines",
    }
    assert {each["data-chart"] for each in frames} <= whole.charts.keys()
    assert all(each["role"] == "img" and each["aria-label"] for each in frames)


def test_every_table_has_a_caption_and_heads(whole: Reader) -> None:
    tables = len(whole.all("table"))
    assert tables == len(whole.all("caption")) == len(whole.all("thead")) > 8
    assert {each["scope"] for each in whole.all("th")} == {"col", "row"}


def test_what_scrolls_can_be_reached_by_keyboard(whole: Reader) -> None:
    assert all(
        each["tabindex"] == "0" and each["aria-label"] for each in whole.all("div") if each.get("class") == "wide"
    )


def test_every_link_of_the_contents_leads_somewhere(whole: Reader) -> None:
    ids = whole.values("id")
    assert len(ids) == len(set(ids))
    links = [each["href"] or "" for each in whole.all("a")]
    assert len(links) == 11
    assert {link.removeprefix("#") for link in links} <= set(ids)


def test_headings_descend_without_gaps(whole: Reader) -> None:
    levels = [int(tag[1]) for tag, _ in whole.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:], strict=False))


def test_every_colour_has_one_for_the_night() -> None:
    text = page(GOOD, verdict(GOOD), "", {}, SCORES)
    assert {colour[:7] for colour in re.findall(r"#[0-9A-F]{6}", text)} <= DARK.keys() | set(DARK.values())


def test_charts_know_no_colours_but_those_of_the_palette(whole: Reader) -> None:
    assert {colour[:7] for colour in re.findall(r"#[0-9A-Fa-f]{6}", json.dumps(whole.charts))} <= DARK.keys()


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("night", [False, True])
@pytest.mark.parametrize("name", ["ink", "pale", "blue", "green", "red"])
def test_words_stand_out_from_the_paper(name: str, night: bool) -> None:
    """WCAG 2.2, 1.4.3: at least 4.5 to 1."""
    colours = [DARK[NAMES[each]] if night else NAMES[each] for each in (name, "paper")]
    dark, bright = sorted(map(luminance, colours))
    assert (bright + 0.05) / (dark + 0.05) >= 4.5


def test_peers_are_named_as_in_the_roster(whole: Reader) -> None:
    for name in PEER:
        assert name in whole.text


# readings of sensors


def test_the_report_shows_how_many_readings_of_each_sensor_are_in_each_peers_last_model(whole: Reader) -> None:
    assert "Readings of sensors" not in whole.text
    first, *others = GOOD.records
    rows = [Cid("one"), Cid("two")]
    published = [replace(first, peer="eve", fact=ReadingPublished(at, cid, 2)) for at, cid in enumerate(rows, 1)]
    trained = replace(first, peer="ann", fact=Trained(1, 1, Cid("model"), score(700), rows[0]))
    reader = read(replace(GOOD, records=(first, *published, trained, *others)))
    assert reader.open == [] and "Readings of sensors in the last model of each peer" in reader.text
    assert "1 of 2" in reader.text


# the flow between groups


def test_the_report_shows_the_flow_between_groups_of_different_roles(whole: Reader) -> None:
    assert "trainers to trainers" in whole.text
    assert {"group-flow", "group-flow-time"} <= whole.charts.keys()


def test_a_report_of_one_group_says_so() -> None:
    began = TOLD[0][1]
    assert isinstance(began, SessionBegan)
    alike = tuple(replace(entry, has_rows=True, policy=Policy.HONEST) for entry in began.roster)
    reader = read(History((Record(0.0, "swarm", replace(began, roster=alike)), *GOOD.records[1:])))
    assert "All peers have the same role." in reader.text and "group-flow" not in reader.charts


def test_the_page_of_flows_has_a_section_per_case_with_means_and_ranges() -> None:
    run = run_flows(GOOD)
    twice = replace(run, paid={pair: [*payments, *payments] for pair, payments in run.paid.items()})
    twice = replace(twice, numbers={key: [value and 2 * value for value in row] for key, row in run.numbers.items()})
    unpaid = replace(run, paid={})
    reader = Reader(flows_page("mine", {"3+2": [run, twice], "": [unpaid]}, "/* Plotly */"))
    assert reader.open == [] and "Flow in mine" in reader.text
    assert set(reader.charts) == {"flow-1", "flow-1-time"}
    assert "3 trainers, 2 cheats (3+2)" in reader.text and "No payment became final." in reader.text
    sent = sum(wei for payments in run.paid.values() for _, wei in payments) / 10**18
    assert f"{1.5 * sent:.4f} ({sent:.4f} to {2 * sent:.4f})" in reader.text
    assert "Mean of 2 seeds" in reader.text

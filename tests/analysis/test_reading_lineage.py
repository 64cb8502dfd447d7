"""Which readings of sensors are in a model, by trainings and averagings."""

from tests.helpers.histories import GOOD, PEER, score

from learnae.analysis.reading_lineage import readings_in_models
from learnae.protocol.decisions import Adopted, Averaged, Trained
from learnae.protocol.types import Cid
from learnae.records.history import Fact, History, ReadingPublished, Record


def reading(number: int, rows: str) -> ReadingPublished:
    return ReadingPublished(number, Cid(rows), of=2)


def averaged(remote: str, cid: str, adopted: bool = True) -> Averaged:
    return Averaged(PEER["bob"], Cid(remote), score(600), score(700), adopted, Cid(cid), 1)


def trained(cid: str, rows: str | None = None) -> Trained:
    return Trained(1, 1, Cid(cid), score(600), Cid(rows) if rows else None)


Step = tuple[str, Fact]


def found(*facts: Step) -> dict[str, dict[str, int]]:
    """``dan`` and ``eve`` are sensors with two readings and one."""
    published = (("dan", reading(1, "d1")), ("dan", reading(2, "d2")), ("eve", reading(1, "e1")))
    return readings_in_models(History(tuple(Record(1.0, name, fact) for name, fact in (*published, *facts))))


def test_a_model_holds_the_readings_that_it_and_its_parents_were_trained_on() -> None:
    initial: list[Step] = [(name, Adopted(Cid("initial"), None, score(500))) for name in ("ann", "bob")]
    begun: list[Step] = [*initial, ("bob", trained("b1", "d1")), ("bob", trained("b2")), ("ann", trained("a1", "e1"))]
    assert found(*begun) == {"ann": {"dan": 0, "eve": 1}, "bob": {"dan": 1, "eve": 0}}
    merged: list[Step] = [*begun, ("ann", averaged("b2", "a2")), ("ann", trained("a3", "d2"))]
    assert found(*merged)["ann"] == {"dan": 2, "eve": 1}
    assert found(*merged, ("bob", averaged("a2", "b3")))["bob"] == {"dan": 1, "eve": 1}, "one reading counts once"


def test_an_average_that_was_dropped_and_rows_of_peers_add_nothing() -> None:
    begun: list[Step] = [("bob", trained("b1", "d1")), ("ann", trained("a1", "rows of bob"))]
    assert found(*begun, ("ann", averaged("b1", "a2", adopted=False)))["ann"] == {"dan": 0, "eve": 0}


def test_a_profiteer_begins_with_the_readings_of_the_model_that_it_adopts() -> None:
    assert found(("bob", trained("b1", "d1")), ("cat", Adopted(Cid("b1"), PEER["bob"], score(600))))["cat"]["dan"] == 1


def test_a_provider_exchanges_its_model_for_that_of_another() -> None:
    begun: list[Step] = [("cat", trained("c1", "e1")), ("bob", trained("b1", "d1"))]
    assert found(*begun, ("cat", averaged("b1", "b1")))["cat"] == {"dan": 1, "eve": 0}


def test_a_session_without_sensors_has_none() -> None:
    assert readings_in_models(GOOD) == {}

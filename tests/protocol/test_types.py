"""Values: exact accuracies."""

from tests.helpers.peers import score

from learnae.protocol.types import Score


def test_an_accuracy_is_the_share_of_rows_classified_correctly() -> None:
    assert score(75).accuracy == 0.75


def test_better_means_strictly_better() -> None:
    assert score(51).beats(score(50))
    assert not score(50).beats(score(50))
    assert not score(49).beats(score(50))


def test_accuracies_over_different_numbers_of_rows_are_compared_exactly() -> None:
    large = 10**18
    assert not Score(1, 3).beats(Score(large, 3 * large))
    assert Score(large + 1, 3 * large).beats(Score(1, 3))

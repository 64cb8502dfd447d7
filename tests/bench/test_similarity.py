"""bench/similarity: the area under a ROC curve, by hand."""

from bench.similarity import area


def test_the_area_is_the_chance_that_a_forged_model_is_the_more_similar_one() -> None:
    assert area([0.9, 1.0], [0.1, 0.5]) == 1.0
    assert area([0.1], [0.5, 0.9]) == 0.0
    assert area([0.5, 0.9], [0.5, 0.9]) == 0.5

"""The seal: its root covers the records, and every other file is named."""

from dataclasses import replace

import pytest

from learnae.records.seal import SEAL, Seal, SealedFile, shown

HISTORY, REPORT = SealedFile("history.jsonl", 3, "aa"), SealedFile("report.html", 4, "bb")
FIGURE = SealedFile("figures/fig4.png", 5, "cc")
SEALED = Seal.of([REPORT, HISTORY, FIGURE])
FOUND = {file.path: file for file in (HISTORY, REPORT, FIGURE)}


def test_a_seal_is_read_as_it_was_written() -> None:
    assert Seal.parse(SEALED.text()) == SEALED
    assert SEALED.files == (HISTORY,) and SEALED.derived == (FIGURE, REPORT)
    assert not list(SEALED.deviations(FOUND))


def test_the_root_depends_on_the_records_alone() -> None:
    assert Seal.of([HISTORY]).root == SEALED.root
    for other in (replace(HISTORY, sha256="ab"), replace(HISTORY, path="history.json"), replace(HISTORY, size=4)):
        assert Seal.of([other]).root != SEALED.root
    again = SEALED.with_derived([replace(REPORT, sha256="dd")])
    assert again.root == SEALED.root and again.derived == (FIGURE, replace(REPORT, sha256="dd"))


def test_what_is_signed_covers_the_derived_files_and_the_signer() -> None:
    changed = SEALED.with_derived([replace(REPORT, sha256="dd")])
    statements = {SEALED.statement("a"), SEALED.statement("b"), changed.statement("a")}
    assert len(statements) == 3
    assert replace(SEALED, signer="a", signature="s").statement("a") == SEALED.statement("a")


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (
            {**FOUND, "history.jsonl": replace(HISTORY, sha256="ab")},
            "history.jsonl was changed after the run was sealed",
        ),
        ({"history.jsonl": HISTORY, "report.html": REPORT}, "figures/fig4.png is missing"),
        ({**FOUND, "a\x1b": replace(HISTORY, path="a\x1b")}, "'a\\x1b' is not in the seal: it was added later"),
    ],
)
def test_each_file_that_differs_is_named(found: dict[str, SealedFile], sentence: str) -> None:
    assert list(SEALED.deviations(found)) == [sentence]


@pytest.mark.parametrize(
    ("seal", "sentence"),
    [
        (replace(SEALED, root="ff"), "its root does not belong to its list"),
        (replace(SEALED, derived=(*SEALED.derived, REPORT)), "it lists a file twice"),
        (Seal.of([HISTORY, HISTORY, REPORT, FIGURE]), "it lists a file twice"),
    ],
)
def test_a_seal_that_contradicts_itself_is_damaged(seal: Seal, sentence: str) -> None:
    [problem] = seal.deviations(FOUND)
    assert problem.startswith(f"{SEAL} is damaged") and sentence in problem


def test_a_record_is_not_hidden_among_the_derived_files() -> None:
    hidden = replace(Seal.of([]), derived=(HISTORY, FIGURE, REPORT))
    assert any("misplaced" in problem for problem in hidden.deviations(FOUND))


@pytest.mark.parametrize("text", ["", "{}", "[]", SEALED.text().replace('"version":1', '"version":2')])
def test_other_text_is_no_seal(text: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        Seal.parse(text)


def test_printable_names_are_shown_as_they_are() -> None:
    assert shown("größe.txt") == "größe.txt"

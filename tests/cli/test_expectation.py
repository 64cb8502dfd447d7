"""What is said of a session before it begins."""

import pytest

from learnae.backends.base import RunOptions
from learnae.backends.sim.backend import SimBackend
from learnae.cli.run_session import expectation
from learnae.session.session_file import parse


@pytest.mark.parametrize(("kind", "of"), [("mlp", ""), ("cnn", " with model.kind = mlp")])
def test_an_estimate_says_for_which_model_it_is(kind: str, of: str) -> None:
    session = parse({"peers": 20, "model": {"kind": kind}})
    assert expectation(SimBackend(session, RunOptions(), print)) == f"Expect about 15 s of real time{of}."

"""The examples of docs/how-to/plugins.md run as they are printed, and a plug-in that raises stops nobody."""

import json
import re
import shutil
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from tests.helpers.command_line import ALL_PASSED, here

from learnae import plugins
from learnae.backends.compose.plan import Plan
from learnae.backends.live_run import copy_definition
from learnae.backends.pods.files import owner, write_swarm
from learnae.checkout import REPOSITORY
from learnae.session.roster import names
from learnae.session.session_file import load

pytestmark = pytest.mark.slow

PAGE = (REPOSITORY / "docs" / "how-to" / "plugins.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```(?:python|toml)\n# (\S+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SESSIONS = [name for name, _ in EXAMPLES if name.endswith(".toml")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in EXAMPLES:
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("session", SESSIONS)
def test_an_example_runs_and_its_run_can_be_checked_elsewhere(folder: Path, session: str) -> None:
    done = here(folder, "simulate", session, "--out", "run")
    assert done.returncode == 0 and ALL_PASSED in done.stdout, done.stdout + done.stderr
    files = {path.name for path in (folder / "run" / "plugins").iterdir()}
    assert files and files <= {name for name, _ in EXAMPLES}
    for name in files:
        (folder / name).unlink()
    sealed = (folder / "run" / "report.html").read_bytes()
    for command in ("check", "report", "compare", "value"):
        refused = here(folder, command, "run")
        assert refused.returncode == 2 and "then give --run-plugins" in refused.stderr
        assert ("The files are those that the seal lists." in refused.stdout) == (command == "check")
    for command, *plugins_allowed in (("report", "--run-plugins"), ("export",), ("compare", "--run-plugins")):
        done = here(folder, command, "run", *plugins_allowed)
        assert done.returncode == 0, done.stderr
    assert (folder / "run" / "report.html").read_bytes() == sealed
    checked = here(folder, "check", "run", "--run-plugins")
    assert checked.returncode == 0 and ALL_PASSED in checked.stdout, checked.stdout + checked.stderr


def test_the_model_of_the_examples_runs_in_live_peers_and_its_trainings_can_be_replayed(folder: Path) -> None:
    done = here(folder, "swarm", "--backend", "embedded", "--port", "0", "model.toml", "--out", "run")
    assert done.returncode == 0 and ALL_PASSED in done.stdout, done.stdout + done.stderr
    assert "The model residual.py:Residual has 2,178 parameters; peers compute together." in done.stdout
    replayed = here(folder, "audit", "run", "--replay", "--run-plugins")
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr


def test_a_model_that_raises_stops_no_peer(folder: Path) -> None:
    raising = "if self.training and x.max() > 3:\n            raise KeyError(x)\n        x = self.first(x)"
    (folder / "residual.py").write_text(dict(EXAMPLES)["residual.py"].replace("x = self.first(x)", raising))
    done = here(folder, "simulate", "model.toml", "--out", "run")
    named = "plugins_did_not_raise: plug-in residual.py:Residual, line 17, for p0"
    assert done.returncode == 1 and named in " ".join(done.stdout.split()), done.stdout + done.stderr
    assert "peers finished" in done.stdout and "4 of 4" in done.stdout


def test_code_that_a_foreign_run_names_beside_its_session_file_is_not_executed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "fading.py").write_text("open('executed', 'w').close()\n" + dict(EXAMPLES)["fading.py"])
    assert here(folder, "simulate", "session.toml", "--out", "run").returncode == 0
    (folder / "executed").unlink()
    shutil.rmtree(folder / "run" / "plugins")
    (folder / "fading.py").rename(folder / "run" / "fading.py")
    settings = folder / "run" / "session.toml"
    settings.write_text(re.sub("@[0-9a-f]{32}", "", settings.read_text()))
    for command in (["check"], ["check", "--run-plugins"], ["value"]):
        monkeypatch.setattr(plugins, "_sources", {})  # as in a new process
        here(folder, command[0], "run", *command[1:])
        assert not (folder / "executed").exists(), command


@pytest.mark.parametrize(("name", "text"), [example for example in EXAMPLES if example[0].endswith(".py")])
def test_an_example_is_short(name: str, text: str) -> None:
    assert len(text.splitlines()) <= 20


def test_a_reward_that_raises_is_named_and_the_session_ends_as_usual(folder: Path) -> None:
    code = "def reward(view):\n    if view.adoptions:\n        raise KeyError(view)\n    return 5\n"
    (folder / "fading.py").write_text(code)
    done = here(folder, "simulate", "session.toml", "--out", "run")
    named = "Check failed: plugins_did_not_raise: plug-in fading.py:reward, line 3, for p0"
    assert done.returncode == 1 and named in " ".join(done.stdout.split()), done.stdout + done.stderr
    checks = json.loads((folder / "run" / "verdict.json").read_text())["checks"]
    assert [name for name, check in checks.items() if check["result"] != "valid"] == ["plugins_did_not_raise"]


def test_each_pod_has_the_file_and_the_session_that_pins_it(folder: Path) -> None:
    session = load(folder / "attack.toml", own=True)
    plan = Plan("test", IPv4Network("10.200.1.0/24"), 20_000, owner(), 0, 31337, 1, tuple(names(session.peers)))
    write_swarm(session, plan, folder / "swarm")
    copy_definition(folder / "swarm", folder)
    for place in (folder / "swarm" / "pods" / "p01" / "peer", folder):
        assert (place / "plugins" / "sleeper.py").read_text() == dict(EXAMPLES)["sleeper.py"]
        assert load(place / "session.toml", run_plugins=True) == session

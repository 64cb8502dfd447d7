"""Plug-ins of a session: found by file, module or entry point, pinned to their content, executed only with consent."""

import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.helpers.peers import reward_view

from learnae import plugins
from learnae.errors import InputError
from learnae.plugins import Kind, PluginError, call, call_before_start, described, plugin, plugin_file, shown
from learnae.protocol.reward import reward_function
from learnae.protocol.settings import RewardSettings
from learnae.protocol.types import Score, Wei
from learnae.session.plugin_files import not_pinned, pinned, references, require_plugins, sources, write_plugins
from learnae.session.settings import DataSettings, Group, Session

WEI = "return an int from 0 to 2^256 - 1, of wei"
GAIN = reward_view(Score(1, 4), Score(2, 4), Wei(100))


@pytest.fixture(autouse=True)
def nothing_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "_sources", {})


def session(reference: str) -> Session:
    return Session(reward=RewardSettings(function=reference), groups=(Group(count=2), Group()))


def written(folder: Path, code: str, name: str = "mine.py") -> Session:
    """A session that names ``reward`` of a file with this code."""
    (folder / name).write_text(code, encoding="utf-8")
    return session(f"{name}:reward")


def test_a_built_in_is_a_plug_in_that_needs_no_file(tmp_path: Path) -> None:
    plain = session("flat")
    assert pinned(plain, tmp_path) == plain
    assert (Kind.REWARDS, "flat") in references(plain)
    assert sources(plain) == () and plugin_file("flat") is None
    assert reward_function("flat")(GAIN) == 100


def test_a_file_beside_the_session_is_pinned_to_its_content(tmp_path: Path) -> None:
    result = pinned(written(tmp_path, "def reward(view): return 7"), tmp_path, own=True)
    (source,) = sources(result)
    assert result.reward.function == f"mine.py:reward@{source.digest}"
    assert shown(result.reward.function) == "mine.py:reward"
    assert reward_function(result.reward.function)(GAIN) == 7
    other = pinned(written(tmp_path, "def reward(view): return 8"), tmp_path, own=True)
    assert other != result
    assert (reward_function(result.reward.function)(GAIN), reward_function(other.reward.function)(GAIN)) == (7, 8)


def test_a_module_is_named_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "__init__.py").write_text("")
    (tmp_path / "own" / "half.py").write_text("HALF = 2")
    (tmp_path / "own" / "rewards.py").write_text("from .half import HALF\ndef reward(view): return view.factor // HALF")
    monkeypatch.syspath_prepend(tmp_path)
    result = pinned(session("own.rewards:reward"), tmp_path / "elsewhere", own=True)
    assert plugin_file(result.reward.function) == "own.rewards.py"
    assert reward_function(result.reward.function)(GAIN) == 50


def test_an_installed_package_offers_plug_ins_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "offered.py").write_text("def reward(view): return 3")
    (tmp_path / "offered-1.dist-info").mkdir()
    (tmp_path / "offered-1.dist-info" / "METADATA").write_text("Name: offered\nVersion: 1\n")
    (tmp_path / "offered-1.dist-info" / "entry_points.txt").write_text("[learnae.rewards]\nthree = offered:reward\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert reward_function(pinned(session("three"), tmp_path, own=True).reward.function)(GAIN) == 3


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        ("flatt", 'reward.function = "flatt" is not allowed: did you mean flat?'),
        ("mine.py:no name", "or a plug-in as file.py:name"),
        ("gone.py:reward", "/gone.py: No such file or directory: give its path from the folder of the session file"),
        ("no_module_of_this_name:reward", "there is no module no_module_of_this_name"),
        ("no_module.of_this_name:reward", "No module named 'no_module'"),
        ("m ine.py:reward", "use letters, digits"),
    ],
)
def test_what_cannot_be_found_is_one_sentence(tmp_path: Path, reference: str, sentence: str) -> None:
    (tmp_path / "m ine.py").write_text("")
    with pytest.raises(InputError, match=sentence.replace(".", r"\.").replace("?", r"\?")):
        pinned(session(reference), tmp_path, own=True)


def test_the_code_that_a_run_kept_is_executed_only_with_consent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = pinned(written(tmp_path, "def reward(view): return 7"), tmp_path, own=True)
    (tmp_path / "run").mkdir()
    write_plugins(recorded, tmp_path / "run")
    monkeypatch.setattr(plugins, "_sources", {})
    assert pinned(recorded, tmp_path / "run") == recorded
    with pytest.raises(InputError, match="then give --run-plugins"):
        require_plugins(recorded)
    assert pinned(recorded, tmp_path / "run", run_plugins=True) == recorded
    require_plugins(recorded)
    (tmp_path / "run" / "plugins" / "mine.py").write_text("def reward(view): return 8")
    with pytest.raises(InputError, match="is not the plug-in with which the session ran"):
        pinned(recorded, tmp_path / "run", run_plugins=True)


def test_a_plugin_is_tried_once_in_a_process_however_often_it_is_required(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    code = f"def reward(view):\n    with open({str(calls)!r}, 'a') as file:\n        file.write('x')\n    return 7"
    found = pinned(written(tmp_path, code), tmp_path, own=True)
    require_plugins(found)
    require_plugins(found)
    assert calls.read_text() == "x"
    other = pinned(written(tmp_path, code + "\n# another content"), tmp_path, own=True)
    require_plugins(other)
    assert calls.read_text() == "xx"


@pytest.mark.parametrize("run_plugins", [False, True])
def test_code_that_another_user_s_session_names_is_never_found(tmp_path: Path, run_plugins: bool) -> None:
    foreign = written(tmp_path, "def reward(view): return 7")
    assert pinned(foreign, tmp_path, run_plugins) == foreign
    assert plugins._sources == {} and not_pinned(foreign) == ["mine.py:reward"]
    with pytest.raises(InputError, match="there is no plug-in mine.py:reward in rewards"):
        require_plugins(foreign)
    assert not_pinned(pinned(foreign, tmp_path, own=True)) == not_pinned(session("flat")) == []


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("def reward(:", r"^plug-in mine.py, line 1: SyntaxError: [^()]*$"),
        ("\n\n1 / 0", "plug-in mine.py, line 3: ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)", "plug-in mine.py, line 1: SystemExit"),
        ("reward = 5", "mine.py defines no function or class reward"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_sentence(tmp_path: Path, code: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        require_plugins(pinned(written(tmp_path, code), tmp_path, own=True))


@pytest.mark.parametrize(
    ("code", "line", "error"),
    [
        ("def reward(view):\n    return 1 // 0", 2, "ZeroDivisionError: integer division or modulo by zero"),
        ("def reward(view):\n    raise SystemExit", 2, "SystemExit"),
        (
            "\ndef reward(view):\n    return 1e15",
            2,
            "returned 1000000000000000.0, a float: return wei, such as int(...)",
        ),
        ("def reward(view): return True", 1, f"returned True: {WEI}"),
        ("def reward(view): return -1", 1, f"returned -1: {WEI}"),
        ("def reward(view): return 1 << 256", 1, f"returned {1 << 256}: {WEI}"),
        ("class reward:\n    def __init__(self, view): {}[0]", 2, "KeyError: 0"),
        (
            "from functools import partial\nreward = partial(divmod, 1, 0)",
            0,
            "TypeError: divmod expected 2 arguments, got 3 (it is called with a RewardView)",
        ),
        (
            "def reward(): return 1",
            0,
            "TypeError: reward() takes 0 positional arguments but 1 was given (it is called with a RewardView)",
        ),
        ("def reward(view): raise KeyError(object())", 1, "KeyError: <object object at 0x...>"),
        ("def reward(view): open('/no/such/file')", 1, "FileNotFoundError: No such file or directory"),
        ("def reward(view): raise ValueError('1\\n 2' + 300 * '\\x00')", 1, f"ValueError: 1 2{197 * '?'}..."),
    ],
)
def test_a_reward_that_raises_names_its_file_and_line(tmp_path: Path, code: str, line: int, error: str) -> None:
    reward = reward_function(pinned(written(tmp_path, code), tmp_path, own=True).reward.function)
    with pytest.raises(PluginError) as raised:
        reward(GAIN)
    assert (raised.value.line, raised.value.error) == (line, error)
    assert str(raised.value) == f"plug-in mine.py:reward{f', line {line}' if line else ''}: {error}"


def raises(error: BaseException) -> Callable[[], None]:
    def function() -> None:
        raise error

    return function


class Silent(Exception):
    def __str__(self) -> str:
        raise ValueError


@pytest.mark.parametrize(
    ("error", "sentence"),
    [(OSError(28, "full", "/x"), r"plug-in mine.py:rows: OSError: \[Errno 28\] full: '/x'"), (Silent(), "Silent$")],
)
def test_what_is_executed_before_the_start_raises_one_sentence(error: BaseException, sentence: str) -> None:
    assert call_before_start("mine.py:rows", lambda: 1) == 1
    with pytest.raises(InputError, match=sentence):
        call_before_start("mine.py:rows", raises(error))


def test_a_number_of_too_many_digits_is_described_by_its_type() -> None:
    assert (described(2.5), described(10**5000), described("text")) == ("2.5", "an int", "a str")


def test_a_file_whose_code_was_executed_can_be_sent_to_another_process(tmp_path: Path) -> None:
    (source,) = sources(pinned(written(tmp_path, "def reward(view): return 7"), tmp_path, own=True))
    assert source.module.reward(GAIN) == 7
    received = pickle.loads(pickle.dumps(source))
    assert received == source and received.module.reward(GAIN) == 7


def test_a_dataclass_in_a_plug_in_finds_its_module(tmp_path: Path) -> None:
    code = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass Price:\n    wei: int\ndef reward(view): return Price(9).wei"
    )
    assert reward_function(pinned(written(tmp_path, code), tmp_path, own=True).reward.function)(GAIN) == 9


@pytest.mark.parametrize("source", ["sklearn:wine", "some/folder/rows.NPZ"])
def test_a_data_set_that_is_no_plug_in_stays_as_it_is(tmp_path: Path, source: str) -> None:
    plain = Session(data=DataSettings(source=source))
    assert pinned(plain, tmp_path, own=True) == plain
    assert sources(plain) == () and not_pinned(plain) == []


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (
            "sklearn:mnist",
            "give hepmass-like, .*sklearn:wine, or a plug-in as file.py:name, or the path of an .npz file",
        ),
        ("sklearn:digit", "did you mean sklearn:digits?"),
        ("higgs", 'data.source = "higgs" is not allowed: give hepmass-like'),
    ],
)
def test_a_misspelt_data_set_is_one_sentence(tmp_path: Path, source: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence.replace("?", r"\?")):
        pinned(Session(data=DataSettings(source=source)), tmp_path, own=True)


def test_peers_have_the_code_of_a_data_set_and_do_not_execute_it(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("raise SystemExit")
    found = pinned(Session(data=DataSettings(source="mine.py:rows")), tmp_path, own=True)
    require_plugins(found)
    write_plugins(found, tmp_path)
    assert (tmp_path / "plugins" / "mine.py").is_file() and shown(found.data.source) == "mine.py:rows"


def test_an_unknown_name_is_refused_when_it_is_used() -> None:
    with pytest.raises(InputError, match="there is no plug-in generous in rewards"):
        plugin(Kind.REWARDS, "generous")
    assert call("flat", replace, GAIN) == GAIN

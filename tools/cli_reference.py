"""The command line in Markdown, from the signatures of the commands."""

import inspect
import types
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

import typer
from typer.models import ArgumentInfo, OptionInfo

from learnae.cli.app import build_app

HEAD = """# Commands

Exit codes: 0 all checks passed, 1 a check failed or the run is partial, 2 bad input or something that could not be
verified (one sentence says what is wrong and how to fix it), 130 interrupted.

`learnae --install-completion` installs completion for your shell. `learnae COMMAND --help` prints the text below."""


def cli_reference() -> str:
    return "\n\n".join([HEAD, *_sections("learnae", build_app())]) + "\n"


def _sections(path: str, group: typer.Typer) -> Iterator[str]:
    for command in group.registered_commands:
        function = command.callback
        assert function
        yield _section(f"{path} {command.name or function.__name__}", function)
    for member in group.registered_groups:
        assert member.typer_instance
        yield from _sections(f"{path} {member.name}", member.typer_instance)


def _section(path: str, function: Callable[..., Any]) -> str:
    parameters = [parameter for parameter in _parameters(function) if not parameter.info.hidden]
    usage = " ".join([path, *(parameter.usage for parameter in parameters)])
    lines = [f"## {path}", "", inspect.getdoc(function) or "", "", "```", usage, "```"]
    if parameters:
        lines += ["", "| parameter | default | meaning |", "|---|---|---|"]
        lines += [f"| `{shown.name}` | {shown.default} | {shown.info.help or ''} |" for shown in parameters]
    return "\n".join(lines)


def _parameters(function: Callable[..., Any]) -> list["_Parameter"]:
    hints = get_type_hints(function, include_extras=True)
    parameters = inspect.signature(function).parameters
    return [_Parameter(name, hints[name], parameter.default) for name, parameter in parameters.items()]


class _Parameter:
    """One argument or option of a command.  ``hint``: Annotated[its type, what typer knows]."""

    def __init__(self, name: str, hint: Any, default: Any) -> None:
        kind, info = get_args(hint)
        assert isinstance(info, ArgumentInfo | OptionInfo)
        self.info = info
        self._required = default is inspect.Parameter.empty
        self._default = getattr(default, "value", default)
        self._is_flag = kind is bool
        self._value = info.metavar or _choices(kind) or name.upper().replace("_", "-")
        self.name = self._value
        if isinstance(info, OptionInfo):
            words = (info.default, *(info.param_decls or ()))  # typer takes the first of them for the default
            declared = [word for word in words if isinstance(word, str) and word.startswith("--")]
            on, _, off = (declared[0] if declared else f"--{name.replace('_', '-')}").partition("/")
            self.name = off if off and default else on  # the one that changes something

    @property
    def usage(self) -> str:
        with_value = isinstance(self.info, OptionInfo) and not self._is_flag
        text = f"{self.name} {self._value}" if with_value else self.name
        return text if self._required else f"[{text}]"

    @property
    def default(self) -> str:
        if self._required:
            return "required"
        return "" if self._default is None or self._is_flag else f"`{self._default}`"


def _choices(kind: Any) -> str | None:
    """The values of an enum, also where None is allowed."""
    if get_origin(kind) in (Union, types.UnionType):
        kind = next(member for member in get_args(kind) if member is not type(None))
    return "|".join(member.value for member in kind) if inspect.isclass(kind) and issubclass(kind, Enum) else None

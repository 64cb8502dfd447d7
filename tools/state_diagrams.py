"""The state machines of a peer, drawn in Mermaid from their transition tables."""

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar

from learnae.protocol.transitions import IDENTITY, WORK

State = TypeVar("State", bound=Enum)


def state_diagram(title: str, table: Mapping[tuple[State, str], State]) -> str:
    """One machine; its first state is the first state of the table."""
    first = next(iter(table))[0]
    arrows = [f"    {before.name} --> {after.name}: {cause}" for (before, cause), after in table.items()]
    lines = ["```mermaid", "---", f"title: {title}", "---", "stateDiagram-v2", f"    [*] --> {first.name}", *arrows]
    return "\n".join([*lines, "```"])


def state_diagrams() -> str:
    return "\n".join([state_diagram("work", WORK), state_diagram("identity", IDENTITY)])

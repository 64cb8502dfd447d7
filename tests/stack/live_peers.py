"""A live peer in a process of its own, followed by what it prints."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Condition, Thread
from typing import Any

Printed = dict[str, Any]

END = 240.0  # s: a limit for tests that hang, until it has decided something or has ended


class LivePeerProcess:
    """``facts``: all that it printed.  It is started by a module's name and whatever that wants to know."""

    def __init__(self, log: Path, *arguments: object) -> None:
        self.log, self.facts, self._over, self._news = log, list[Printed](), False, Condition()
        command = [sys.executable, "-m", *map(str, arguments)]
        with log.open("a") as errors:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def when(self, fits: Callable[[Printed], bool]) -> Printed:
        """The first of its decisions that fits; waits for it."""
        with self._news:
            self._news.wait_for(lambda: self._over or any(map(fits, self.facts)), END)
            found = next(filter(fits, self.facts), None)
        assert found, f"{self.log.read_text()}\n{self.facts[-5:]}"
        return found

    def often(self, count: int, fits: Callable[[Printed], bool]) -> None:
        """Wait for so many decisions that fit."""
        with self._news:
            self._news.wait_for(lambda: self._over or sum(map(fits, self.facts)) >= count, END)
        assert sum(map(fits, self.facts)) >= count, f"{self.log.read_text()}\n{self.facts[-5:]}"

    def end(self) -> int:
        """Its exit code; waits for it."""
        code = self.process.wait(END)
        self._reader.join(END)
        return code

    def kill(self) -> None:
        self.process.kill()
        self.end()

    def _read(self) -> None:
        assert self.process.stdout
        with self.process.stdout as lines:
            for line in lines:
                with self._news:
                    self.facts.append(json.loads(line))
                    self._news.notify_all()
        with self._news:
            self._over = True
            self._news.notify_all()


def decided(kind: str, after: float = -1.0) -> Callable[[Printed], bool]:
    """A decision of that kind, later than so many session seconds."""
    return lambda fact: fact["kind"] == kind and fact["t"] > after


def changed(state: str) -> Callable[[Printed], bool]:
    """A debt that is now ``state``."""
    return lambda fact: fact["kind"] == "DebtChanged" and fact["state"] == state

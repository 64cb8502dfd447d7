"""What `learnae data` does, once its arguments are parsed."""

import time
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.text import Text

from learnae.adapters.download import download
from learnae.errors import InputError
from learnae.learn.datasets.hepmass import KNOWN, convert
from learnae.session.settings import data_folder

RENEW, LINE = 0.25, 5.0  # s between renewals on a terminal, between lines elsewhere

console = Console(highlight=False)


def convert_hepmass(paths: list[Path], verify: bool) -> int:
    folder = data_folder() / "hepmass"
    began = time.monotonic()
    _say(f"Converting {', '.join(path.name for path in paths)}: two passes, about a minute for two million rows.")
    with _Line() as line:
        rows = convert(
            paths,
            folder,
            verify,
            lambda name, rows, share: line.tell(
                f"{name}  {share:4.0%}  {rows:,} rows  {rows / max(time.monotonic() - began, 1e-3):,.0f} rows/s"
            ),
        )
    seconds = time.monotonic() - began
    _say(f"{rows:,} rows in {seconds:.1f} s ({rows / max(seconds, 1e-3):,.0f} rows/s), in {folder}")
    _say('Sessions use them with source = "hepmass" below [data].')
    return 0


def fetch_hepmass(files: list[str] | None, address: str) -> int:
    folder = data_folder() / "downloads"
    for name in files or ():
        if name not in KNOWN:
            raise InputError(f"--file {name}: the checksum of {', '.join(KNOWN)} alone is known: name one of them")
    for name in files or KNOWN:
        path, (size, sha256) = folder / name, KNOWN[name]
        if path.exists():
            _say(f"{path} is here already.")
            continue
        _say(f"Downloading {address}/{name}, {size / 1e9:.1f} GB")
        with _Line() as line:
            download(f"{address}/{name}", path, sha256, lambda now, total: line.tell(_come(now, total)))
        _say(f"{path} is whole and its checksum right.")
    _say(f"Next: learnae data hepmass {' '.join(str(folder / name) for name in files or KNOWN)}")
    return 0


def _come(now: int, total: int | None) -> str:
    return f"{now / 1e6:,.0f} MB" + (f" of {total / 1e6:,.0f} MB  {now / total:.0%}" if total else "")


def _say(line: str) -> None:
    console.print(line, markup=False, soft_wrap=True)


class _Line:
    """A line that renews itself on a terminal; elsewhere a line now and then."""

    def __init__(self) -> None:
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        self._every = RENEW if self._live else LINE
        self._next = time.monotonic() + self._every

    def __enter__(self) -> "_Line":
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def tell(self, line: str) -> None:
        if time.monotonic() < self._next:
            return
        if self._live:
            self._live.update(Text(line), refresh=True)
        else:
            _say(line)
        self._next = time.monotonic() + self._every

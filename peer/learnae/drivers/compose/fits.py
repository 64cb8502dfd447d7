"""Whether a swarm of so many peers fits on this machine, measured on 20 (bench/README.md)."""

import shutil

from learnae.config import REPOSITORY
from learnae.errors import InputError

MIB = 1 << 20
POD, REST = 330 * MIB, 700 * MIB  # memory of one pod, and of chain, Prometheus and the command itself
POD_DISK, REST_DISK = 30 * MIB, 500 * MIB


def memory_for(peers: int) -> int:
    """Bytes."""
    return REST + peers * POD


def memory_free() -> int | None:
    """Bytes that the kernel could give; None where it cannot be asked."""
    try:
        with open("/proc/meminfo") as file:
            lines = dict(line.split(":", 1) for line in file)
        return int(lines["MemAvailable"].split()[0]) << 10
    except (OSError, KeyError, ValueError):
        return None


def disk_free() -> int:
    return shutil.disk_usage(REPOSITORY).free


def check(peers: int) -> None:
    """Raises InputError, which says what would fit."""
    free = memory_free()
    if free is not None and memory_for(peers) > free:
        most = (free - REST) // POD
        instead = f"N={most} fits" if most >= 2 else "use BACKEND=embedded"
        raise InputError(
            f"{peers} pods take about {memory_for(peers) / 2**30:.1f} GiB of memory and {free / 2**30:.1f} are free: "
            f"free some, or run fewer ({instead})"
        )
    if REST_DISK + peers * POD_DISK > disk_free():
        raise InputError(f"{peers} pods write about {(REST_DISK + peers * POD_DISK) / 2**30:.1f} GiB: free some disk")

"""How large a swarm fits on this machine, by what 20 pods were measured to take (bench/README.md)."""

import shutil

from learnae.backends.compose.plan import MOST_PODS, refuse_above_most
from learnae.checkout import REPOSITORY
from learnae.errors import InputError

MIB = 1 << 20
POD, REST = 330 * MIB, 700 * MIB  # memory of one pod, and of chain, Prometheus and the command itself
POD_DISK, REST_DISK = 30 * MIB, 500 * MIB


def most() -> int:
    """Pods."""
    disk = (shutil.disk_usage(REPOSITORY).free - REST_DISK) // POD_DISK
    free = available()
    memory = MOST_PODS if free is None else (free - REST) // POD
    return max(0, min(MOST_PODS, disk, memory))


def check(peers: int) -> None:
    """Raises InputError, which says what would fit."""
    refuse_above_most(peers)
    fitting = most()
    if peers > fitting:
        instead = f"N={fitting} fits" if fitting >= 2 else "BACKEND=embedded needs a tenth"
        raise InputError(
            f"{peers} pods take about {(REST + peers * POD) / 2**30:.1f} GiB of memory and "
            f"{(REST_DISK + peers * POD_DISK) / 2**30:.1f} of disk, more than is free: run fewer ({instead})"
        )


def available() -> int | None:
    """Bytes of memory that the kernel could give; None where it cannot be asked."""
    try:
        with open("/proc/meminfo") as file:
            lines = dict(line.split(":", 1) for line in file)
        return int(lines["MemAvailable"].split()[0]) << 10
    except (OSError, KeyError, ValueError):
        return None

"""How many pods fit on this machine, judged by what 20 pods were measured to take (bench/README.md)."""

import shutil

from learnae.backends.compose.plan import MAX_PODS, refuse_too_many
from learnae.backends.machine import free_memory
from learnae.checkout import REPOSITORY
from learnae.errors import InputError

MIB = 1 << 20
POD, REST = 330 * MIB, 700 * MIB  # memory of one pod, and of chain, Prometheus and this process
POD_DISK, REST_DISK = 30 * MIB, 500 * MIB


def max_pods() -> int:
    disk = (shutil.disk_usage(REPOSITORY).free - REST_DISK) // POD_DISK
    free = free_memory()
    memory = MAX_PODS if free is None else (free - REST) // POD
    return max(0, min(MAX_PODS, disk, memory))


def check(peers: int) -> None:
    """Raises InputError, which says how many would fit."""
    refuse_too_many(peers)
    fitting = max_pods()
    if peers > fitting:
        instead = f"N={fitting} fits" if fitting >= 2 else "BACKEND=embedded needs a tenth"
        raise InputError(
            f"{peers} pods take about {(REST + peers * POD) / 2**30:.1f} GiB of memory and "
            f"{(REST_DISK + peers * POD_DISK) / 2**30:.1f} GiB of disk, more than is free: run fewer ({instead})"
        )

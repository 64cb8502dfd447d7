"""How many pods fit on this machine, judged by what 20 pods were measured to take (bench/README.md)."""

import shutil

from learnae.backends.compose.plan import MAX_PODS, PER_MODEL, refuse_too_many
from learnae.backends.machine import free_memory
from learnae.backends.pods.plan import excess
from learnae.checkout import REPOSITORY
from learnae.errors import InputError

MIB = 1 << 20
POD, REST = 330 * MIB, 700 * MIB  # memory of one pod, and of chain, Prometheus and this process
POD_DISK, REST_DISK = 30 * MIB, 500 * MIB
PER_MODEL_DISK = 24  # bytes more of a pod's disk for each byte by which a model is larger than usual


def max_pods(model: int = 0) -> int:
    """``model``: its bytes, if they are known."""
    pod, pod_disk = _pod(model)
    disk = (shutil.disk_usage(REPOSITORY).free - REST_DISK) // pod_disk
    free = free_memory()
    memory = MAX_PODS if free is None else (free - REST) // pod
    return max(0, min(MAX_PODS, disk, memory))


def check(peers: int, model: int = 0) -> None:
    """Raises InputError, which says how many would fit."""
    refuse_too_many(peers)
    fitting = max_pods(model)
    pod, pod_disk = _pod(model)
    if peers > fitting:
        instead = f"N={fitting} fits" if fitting >= 2 else "BACKEND=embedded needs a tenth"
        raise InputError(
            f"{peers} pods take about {(REST + peers * pod) / 2**30:.1f} GiB of memory and "
            f"{(REST_DISK + peers * pod_disk) / 2**30:.1f} GiB of disk, more than is free: run fewer ({instead})"
        )


def _pod(model: int) -> tuple[int, int]:
    """Bytes of memory and of disk of one pod."""
    return POD + PER_MODEL * excess(model), POD_DISK + PER_MODEL_DISK * excess(model)

"""The backends by name, and which one runs a session."""

from collections.abc import Iterator
from enum import StrEnum
from importlib import import_module
from typing import TYPE_CHECKING

from learnae.errors import InputError

if TYPE_CHECKING:
    from learnae.backends.base import Backend, RunOptions, Say
    from learnae.session.settings import Session


class BackendChoice(StrEnum):
    """The backends that run sessions."""

    COMPOSE = "compose"
    EMBEDDED = "embedded"
    SIM = "sim"
    KUBERNETES = "kubernetes"


# Preferred first: the first whose check passes is the default; a cluster is used only if it is named.
# Imported only when needed.
BACKENDS = {
    BackendChoice.COMPOSE: "learnae.backends.compose.backend:ComposeBackend",
    BackendChoice.EMBEDDED: "learnae.backends.embedded.backend:EmbeddedBackend",
    BackendChoice.SIM: "learnae.backends.sim.backend:SimBackend",
    BackendChoice.KUBERNETES: "learnae.backends.kubernetes.backend:KubernetesBackend",
}


def backend_class(name: BackendChoice) -> "type[Backend]":
    module, _, attribute = BACKENDS[name].partition(":")
    kind: type[Backend] = getattr(import_module(module), attribute)
    return kind


def all_backends() -> "Iterator[type[Backend]]":
    return map(backend_class, BACKENDS)


def choose(name: BackendChoice | None, session: "Session", options: "RunOptions", say: "Say") -> "tuple[Backend, str]":
    """The backend that runs this session, checked, and why it was chosen.

    Raises InputError: the named one refuses, or all do; then it gives the preferred one's reason.
    """
    if name is not None:
        backend = backend_class(name)(session, options, say)
        backend.check()
        return backend, "as requested"
    refusals: list[InputError] = []
    for kind in (backend_class(name) for name in BACKENDS if name is not BackendChoice.KUBERNETES):
        backend = kind(session, options, say)
        try:
            backend.check()
        except InputError as error:
            refusals.append(error)
        else:
            return backend, "; ".join(map(str, refusals)) or "the default"
    raise refusals[0]

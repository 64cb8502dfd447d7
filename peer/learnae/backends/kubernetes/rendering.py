"""The manifests of a swarm as YAML, for `kubectl apply -f -` and for readers."""

import os
from collections.abc import Iterable, Mapping
from typing import Any

from learnae.backends.base import ClusterOptions
from learnae.backends.kubernetes.manifests import manifests
from learnae.backends.kubernetes.plan import ClusterPlan
from learnae.backends.pods.images import Images
from learnae.backends.pods.plan import NO_REMOTE_PEERS, RemotePeerOptions, checkout_name, chosen_block_time
from learnae.checkout import REPOSITORY
from learnae.errors import InputError
from learnae.runtime.clocks import Moment
from learnae.session.roster import names
from learnae.session.settings import Session

MISSING = "the Kubernetes client is not installed: run pip install 'learnae[kubernetes]'"


def images_named(text: str | None) -> Images:
    """Without a name: those that `make images` builds.  Raises InputError."""
    return Images.named(text or checkout_name(REPOSITORY))


def plan_for(
    session: Session,
    options: ClusterOptions | None = None,
    external_port: int | None = None,
    remote: RemotePeerOptions = NO_REMOTE_PEERS,
) -> ClusterPlan:
    """Raises InputError."""
    options = options or ClusterOptions()
    return ClusterPlan(
        instance=options.release or checkout_name(REPOSITORY),
        names=tuple(names(session.peers)),
        images=images_named(options.images),
        genesis=int(Moment.now().unix),
        chain_id=session.chain.id,
        block_time=chosen_block_time(session),
        links=bool(session.faults),
        external_port=external_port,
        remote=remote,
        storage_class=options.storage_class,
        user=f"{os.getuid()}:{os.getgid()}",
    )


def as_yaml(objects: Iterable[Mapping[str, Any]], width: float = 120) -> str:
    """Raises InputError: the client library, which brings PyYAML, is not installed."""
    try:
        import yaml
    except ImportError:
        raise InputError(MISSING) from None

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: object) -> bool:
            return True

    def text(dumper: Dumper, value: str) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    Dumper.add_representer(str, text)
    return str(yaml.dump_all(objects, Dumper=Dumper, sort_keys=False, width=width))


def rendered(plan: ClusterPlan) -> str:
    return as_yaml(manifests(plan))

"""One namespace of a cluster, through the official client library.  All methods block and raise InputError."""

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from learnae.backends.base import ClusterOptions
from learnae.backends.kubernetes.plan import COMPONENT, INSTANCE
from learnae.backends.kubernetes.rendering import MISSING
from learnae.errors import InputError

try:
    from kubernetes import client, config, stream, utils, watch
    from kubernetes.client.exceptions import ApiException
    from kubernetes.config.config_exception import ConfigException
    from urllib3.exceptions import HTTPError
except ImportError:
    raise InputError(MISSING) from None

T = TypeVar("T")
TIMEOUT = (5, 30)  # s until connected, and until answered
COMMAND = 60.0  # s that a command in a container may take
REMOVED = 120.0  # s until all is removed
KILLED = 128  # exit codes above are of signals; a peer that was asked to stop ends with one of these:
STOPPED = (130, 143)


@dataclass(frozen=True)
class PodState:
    """``running``: its containers that run.  ``ended``: exit code of its main program, once it has ended by itself.

    ``restarts``: of the other containers.  ``problem``: why it does not start.  ``labels``: with its component.
    """

    name: str
    uid: str
    component: str
    address: str = ""
    running: frozenset[str] = frozenset()
    ended: int | None = None
    restarts: Mapping[str, int] = field(default_factory=dict)
    problem: str = ""
    node: str = ""


class Cluster:
    """``instance``: the swarm's name, by whose label its objects are found."""

    def __init__(self, options: ClusterOptions, instance: str) -> None:
        self.instance = instance
        self.configuration = client.Configuration()
        try:
            contexts, active = config.list_kube_config_contexts()
            chosen = next((each for each in contexts if each["name"] == options.context), None)
            if options.context and chosen is None:
                known = ", ".join(each["name"] for each in contexts)
                raise InputError(f"the kubeconfig has no context {options.context}: give one of {known}")
            config.load_kube_config(context=options.context, client_configuration=self.configuration)
        except (ConfigException, TypeError) as error:
            raise InputError(f"there is no usable kubeconfig ({error}): set KUBECONFIG, or create a cluster") from None
        self.context = str((chosen or active)["name"])
        self.namespace = options.namespace or (chosen or active)["context"].get("namespace") or "default"
        self.configuration.retries = 2
        self.configuration.client_side_validation = False  # the cluster may be newer than the library
        self._api = client.ApiClient(self.configuration)
        self._core, self._apps = client.CoreV1Api(self._api), client.AppsV1Api(self._api)
        self._networking = client.NetworkingV1Api(self._api)

    def version(self) -> str:
        api = client.VersionApi(self._api)
        return str(self._ask("answer", lambda: api.get_code(_request_timeout=TIMEOUT)).git_version)

    def forbidden(self, wanted: Iterable[tuple[str, str, str]]) -> list[str]:
        """What this user may not do in the namespace, of verb, group and resource."""
        refused = []
        for verb, group, resource in wanted:
            attributes = {"namespace": "" if resource == "nodes" else self.namespace, "verb": verb, "group": group}
            attributes["resource"], _, attributes["subresource"] = resource.partition("/")
            review = {"spec": {"resourceAttributes": attributes}}
            access = client.AuthorizationV1Api(self._api)
            answer = self._ask("review access", lambda: access.create_self_subject_access_review(review))  # noqa: B023
            if not answer.status.allowed:
                refused.append(f"{verb} {resource}")
        return refused

    def pod_security(self) -> str:
        """The Pod Security level that the namespace enforces; empty if it enforces none."""
        labels = self._ask("read the namespace", lambda: self._core.read_namespace(self.namespace)).metadata.labels
        return str((labels or {}).get("pod-security.kubernetes.io/enforce", ""))

    def default_storage_class(self) -> str | None:
        listed = self._ask("list StorageClasses", lambda: client.StorageV1Api(self._api).list_storage_class()).items
        default = "storageclass.kubernetes.io/is-default-class"
        names = (each.metadata.name for each in listed if (each.metadata.annotations or {}).get(default) == "true")
        return next(names, None)

    def quotas(self) -> list[str]:
        """What is used of each limit of the namespace: ``compute: pods 3 of 10``."""
        listed = self._ask("list quotas", lambda: self._core.list_namespaced_resource_quota(self.namespace)).items
        return [
            f"{each.metadata.name}: {resource} {(each.status.used or {}).get(resource, '0')} of {limit}"
            for each in listed
            for resource, limit in (each.status.hard or {}).items()
        ]

    def create(self, objects: Iterable[Mapping[str, Any]]) -> None:
        for each in objects:
            try:
                utils.create_from_dict(self._api, dict(each), namespace=self.namespace)
            except utils.FailToCreateError as error:
                what, reason = f"{each['kind']} {each['metadata']['name']}", _reason(error.api_exceptions[0])
                raise InputError(f"Kubernetes refuses {what} ({reason}): see learnae doctor") from None
            except HTTPError as error:
                raise _unreachable(error) from None

    def pods(self) -> list[PodState]:
        listed = self._ask("list pods", lambda: self._core.list_namespaced_pod(self.namespace, **self._ours))
        return [_state(pod) for pod in listed.items if pod.metadata.deletion_timestamp is None]

    def delete_pod(self, name: str, grace: int) -> None:
        self._ask(
            "delete a pod",
            lambda: self._core.delete_namespaced_pod(name, self.namespace, grace_period_seconds=grace),
        )

    def execute(self, pod: str, container: str, command: Sequence[str]) -> None:
        """Run a command in a container to its end.  Raises InputError with the last line that it printed."""
        api = client.CoreV1Api(client.ApiClient(self.configuration))  # of its own: a stream changes how it asks
        options: dict[str, Any] = {"container": container, "command": list(command)}
        options |= {"stdout": True, "stderr": True, "stdin": False, "tty": False, "_preload_content": False}
        running = self._ask(
            "execute a command",
            lambda: stream.stream(api.connect_get_namespaced_pod_exec, pod, self.namespace, **options),
        )
        code = None
        with ExitStack() as opened, suppress(TypeError):  # the connection ended without a code
            opened.callback(running.sock.shutdown)  # since the library leaves it open once the other side has ended
            running.run_forever(timeout=COMMAND)
            code = running.returncode  # before the output, whose reading forgets it
        printed = running.read_all()
        if code != 0:
            raise InputError((printed.strip().splitlines() or ["it printed nothing"])[-1])

    def nodes(self, **options: str) -> list[Any]:
        return list(self._ask("list nodes", lambda: self._core.list_node(_request_timeout=TIMEOUT, **options)).items)

    def patch_node(self, name: str, body: Mapping[str, Any]) -> None:
        self._ask("change a node", lambda: self._core.patch_node(name, dict(body), _request_timeout=TIMEOUT))

    def last_line(self, pod: str, container: str) -> str:
        """The last line of a container's log, also of one that was restarted."""
        for previous in (True, False):
            try:
                log = self._core.read_namespaced_pod_log(
                    pod, self.namespace, container=container, tail_lines=3, previous=previous, _request_timeout=TIMEOUT
                )
            except (ApiException, HTTPError):
                continue
            if log and log.strip():
                return str(log.strip().splitlines()[-1])
        return "its log is empty"

    def sets(self) -> dict[str, list[str]]:
        """The StatefulSets of this swarm, each with the names of its init containers."""
        sets = self._apps.list_namespaced_stateful_set
        listed = self._ask("list statefulsets", lambda: sets(self.namespace, **self._ours))
        return {
            each.metadata.name: [container.name for container in each.spec.template.spec.init_containers or ()]
            for each in listed.items
        }

    def scale(self, name: str, replicas: int) -> None:
        """Give a StatefulSet this number of pods, sooner or later."""
        body, scale = {"spec": {"replicas": replicas}}, self._apps.patch_namespaced_stateful_set_scale
        self._ask(f"scale {name}", lambda: scale(name, self.namespace, body, _request_timeout=TIMEOUT))

    def remove(self, kinds: Collection[str] = ()) -> int:
        """Remove this swarm's objects of these kinds, or all, and wait until they are gone; how many there were."""
        count = len(self.left(kinds))
        ours: dict[str, Any] = self._ours | {"grace_period_seconds": 0}
        deadline = time.monotonic() + REMOVED
        while left := self.left(kinds):
            if time.monotonic() > deadline:
                raise InputError(f"Kubernetes does not remove {', '.join(left)}: see kubectl describe")
            for kind, (_, delete) in self._kinds.items():
                if not kinds or kind in kinds:
                    self._ask("remove the swarm", lambda: delete(self.namespace, **ours))  # noqa: B023
            self._wait_for_news()
        return count

    def left(self, kinds: Collection[str] = ()) -> list[str]:
        """Kinds and names of all that this swarm has in the cluster, or of these kinds."""
        return [
            f"{kind} {each.metadata.name}"
            for kind, (listed, _) in self._kinds.items()
            if not kinds or kind in kinds
            for each in self._ask(f"list {kind}s", lambda: listed(self.namespace, **self._ours)).items  # noqa: B023
        ]

    def authorization(self) -> dict[str, str]:
        """The headers of requests that do not go through the library."""
        headers: dict[str, str] = {}
        self._api.update_params_for_auth(headers, [], ["BearerToken"])
        return headers

    # private

    def _wait_for_news(self) -> None:
        """Until a pod changes, but not for long: other objects may change first."""
        ours: dict[str, Any] = {"label_selector": self._ours["label_selector"], "timeout_seconds": 1}
        news = watch.Watch().stream(self._core.list_namespaced_pod, self.namespace, **ours)
        self._ask("watch pods", lambda: next(iter(news), None))

    @property
    def _kinds(self) -> dict[str, tuple[Callable[..., Any], Callable[..., Any]]]:
        """How each kind of object is listed and removed, in the order in which they are removed."""
        core, apps, networking = self._core, self._apps, self._networking
        return {
            "statefulset": (apps.list_namespaced_stateful_set, apps.delete_collection_namespaced_stateful_set),
            "networkpolicy": (
                networking.list_namespaced_network_policy,
                networking.delete_collection_namespaced_network_policy,
            ),
            "service": (core.list_namespaced_service, core.delete_collection_namespaced_service),
            "pod": (core.list_namespaced_pod, core.delete_collection_namespaced_pod),
            "persistentvolumeclaim": (
                core.list_namespaced_persistent_volume_claim,
                core.delete_collection_namespaced_persistent_volume_claim,
            ),
        }

    @property
    def _ours(self) -> dict[str, Any]:
        return {"label_selector": f"{INSTANCE}={self.instance}", "_request_timeout": TIMEOUT}

    def _ask(self, purpose: str, call: Callable[[], T]) -> T:
        try:
            return call()
        except ApiException as error:
            raise InputError(f"the cluster does not {purpose} ({_reason(error)}): see learnae doctor") from None
        except (HTTPError, ConfigException) as error:
            raise _unreachable(error) from None


def _unreachable(error: Exception) -> InputError:
    reason = getattr(error, "reason", None) or error
    return InputError(f"the cluster cannot be reached ({type(reason).__name__}): check the context of your kubeconfig")


def _reason(error: ApiException) -> str:
    """Kubernetes' own sentence, on one line."""
    from learnae.messages.foreign_json import from_json

    try:
        text = str(from_json((error.body or "").encode())["message"])
    except (ValueError, LookupError, TypeError, AttributeError):
        text = f"HTTP {error.status} {error.reason}"
    return " ".join(text.split())


def _state(pod: Any) -> PodState:
    status = pod.status
    sidecars, main = list(status.init_container_statuses or ()), list(status.container_statuses or ())
    component = pod.metadata.labels[COMPONENT]
    return PodState(
        pod.metadata.name,
        pod.metadata.uid,
        component,
        status.pod_ip or "",
        frozenset(each.name for each in (*sidecars, *main) if each.state and each.state.running),
        next((code for each in main if (code := _ended(each)) is not None), None),
        {each.name: each.restart_count for each in (*sidecars, *main) if each.name != "peer"},
        _problem(status, [*sidecars, *main]),
        (pod.spec and pod.spec.node_name) or "",
    )


def _ended(container: Any) -> int | None:
    """The code with which its program ended by itself, as opposed to being killed."""
    for state in (container.state, container.last_state):
        if state and state.terminated:
            code = int(state.terminated.exit_code)
            if code <= KILLED or code in STOPPED:
                return code
    return None


def _problem(status: Any, containers: list[Any]) -> str:
    """Why a pod does not start; empty while it may."""
    for condition in status.conditions or ():
        if condition.type == "PodScheduled" and condition.status == "False":
            return f"it is not scheduled: {condition.message}"
    for container in containers:
        waiting = container.state and container.state.waiting
        if waiting and waiting.reason not in (None, "PodInitializing", "ContainerCreating", "CrashLoopBackOff"):
            return f"{container.name} does not start: {waiting.reason}"
    return ""

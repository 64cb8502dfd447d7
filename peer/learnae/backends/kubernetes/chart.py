"""The same manifests as a Helm chart: what a release decides is replaced by its values.  Pure.

A release makes pods that wait for their files; `learnae swarm --release NAME` gives them a session, and makes as many
pods as it needs.  So the chart depends on a session only by its number of peers and by whether it has faults.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from learnae.backends.kubernetes.manifests import Object, manifests, pods_of
from learnae.backends.kubernetes.plan import COMPONENT, MAX_PODS, ClusterPlan
from learnae.backends.kubernetes.rendering import as_yaml
from learnae.backends.pods.images import Images
from learnae.backends.pods.plan import INSIDE_RPC, RPC_FILE
from learnae.session.settings import Session

PREFIX, TAG = "learnae", "latest"
PEERS = Session().peers
LONGEST_NAME = 46  # letters of a release's name: those of a StatefulSet, "-peers" included, are at most 52
NAME, STORAGE = "{{ .Release.Name }}", "{{ .Values.storageClass }}"
FAULTS, ELSE, END = "{{- if $faults }}", "{{- else }}", "{{- end }}"
OWN_CHAIN = "{{- if not .Values.externalChainPort }}"

HEAD = f"""\
{{{{- /* learnae kubernetes chart writes this file from the manifests of `learnae swarm --backend kubernetes`. */ -}}}}
{{{{- $session := fromToml .Values.session }}}}
{{{{- with $session.Error }}}}{{{{ fail (printf "session is not TOML: %s" .) }}}}{{{{ end }}}}
{{{{- $peers := .Values.peers | default $session.peers | default {PEERS} }}}}
{{{{- $faults := or .Values.faults $session.faults }}}}
{{{{- $rpc := printf "http://%s-chain:{INSIDE_RPC}" .Release.Name }}}}
{{{{- if .Values.externalChainPort }}}}{{{{ $rpc = "/pod/{RPC_FILE}" }}}}{{{{ end }}}}
{{{{- if gt (int $peers) {MAX_PODS} }}}}{{{{ fail "a session has at most {MAX_PODS} peers" }}}}{{{{ end }}}}
{{{{- if gt (len .Release.Name) {LONGEST_NAME} }}}}
{{{{- fail "the name of the release is too long: at most {LONGEST_NAME} letters" }}}}
{{{{- end }}}}
"""
VALUES = f"""\
# Number of peers to begin with; 0: that of `session`, or {PEERS}. `learnae swarm` scales the pods to its session.
peers: 0
# Whether pods have link agents, which sessions with faults need. Those need the Pod Security level "privileged".
faults: false
# Text of a session file (--set-file session=FILE), for `peers` and `faults`; `learnae swarm` reads the rest.
session: ""
# Port of the external chain of sessions, whose URL `learnae swarm` gives to the pods; 0: a chain of the release.
externalChainPort: 0
# StorageClass of the volumes; empty: the cluster's default.
storageClass: ""
# PREFIX-peer:TAG, PREFIX-ipfs:TAG and PREFIX-chain:TAG
images:
  prefix: {PREFIX}
  tag: {TAG}
# Per container.
"""
NOTES = """\
The pods wait for a session:

  learnae swarm SESSION --backend kubernetes --release {{ .Release.Name }} --namespace {{ .Release.Namespace }}
"""


def chart(version: str) -> dict[str, str]:
    """The files of the chart, by path.  Raises InputError: PyYAML, which the client library brings, is missing."""
    plan = ClusterPlan(NAME, ("p00",), Images(PREFIX, TAG), 0, 0, 0, links=True, storage_class=STORAGE)
    objects = manifests(plan)
    pods = {each["metadata"]["name"]: each for each in objects if each["kind"] == "StatefulSet"}
    resources = {each["name"]: each["resources"] for pod in pods.values() for each in _containers(pod)}
    about = {
        "apiVersion": "v2",
        "name": "learnae",
        "description": "Pods for sessions of LEARNAE, a testbed for paid peer-to-peer training",
        "type": "application",
        "version": version,
        "appVersion": version,
        "kubeVersion": ">=1.29.0-0",
    }
    values = VALUES + as_yaml([{"resources": resources}])
    for pod in pods.values():
        for container in _containers(pod):
            container["image"] = _templated_image(container["image"])
            container["resources"] = f'{{{{ index .Values.resources "{container["name"]}" | toJson }}}}'
    spec = pods[plan.peers]["spec"]
    spec["replicas"] = "{{ int $peers }}"
    before = spec["template"]["spec"]["initContainers"]
    link = next(index for index, each in enumerate(before) if each["name"] == "link")
    before[link : link + 1] = [FAULTS, before[link], END]
    [container] = spec["template"]["spec"]["containers"]
    container["command"] = [part.replace(plan.rpc, "{{ $rpc }}") for part in container["command"]]
    [rules] = [each["spec"] for each in objects if each["kind"] == "NetworkPolicy" and _is_of(each, "peer")]
    to_chain = rules["egress"].index({"to": [pods_of(plan, "chain")], "ports": [{"port": INSIDE_RPC}]})
    outside = {"ports": [{"port": "{{ int .Values.externalChainPort }}"}]}
    rules["egress"][to_chain : to_chain + 1] = [OWN_CHAIN, rules["egress"][to_chain], ELSE, outside, END]
    return {
        "Chart.yaml": as_yaml([about]),
        "values.yaml": values,
        "values.schema.json": json.dumps(_schema(sorted(resources)), indent=2) + "\n",
        "templates/swarm.yaml": HEAD + "".join(map(_template, objects)),
        "templates/NOTES.txt": NOTES,
    }


# private


def _containers(workload: Object) -> Iterator[Object]:
    spec = workload["spec"]["template"]["spec"]
    yield from spec["initContainers"]
    yield from spec["containers"]


def _templated_image(image: str) -> str:
    part = image.removeprefix(f"{PREFIX}-").removesuffix(f":{TAG}")
    return f"{{{{ .Values.images.prefix }}}}-{part}:{{{{ .Values.images.tag }}}}"


def _is_of(item: Object, component: str) -> bool:
    return bool(item["metadata"]["labels"][COMPONENT] == component)


def _template(item: Object) -> str:
    """Expressions that are not text lose their quotes, conditions become lines of their own."""
    text = "---\n" + as_yaml([item], width=10_000)
    text = re.sub(r"'(\{\{ (?:int|index) .*\}\})'", r"\1", text)
    text = re.sub(r"^ *- '(\{\{- .*\}\})'$", r"\1", text, flags=re.MULTILINE)
    storage = rf"^( *storageClassName: '{re.escape(STORAGE)}')$"
    text = re.sub(storage, rf"{{{{- if .Values.storageClass }}}}\n\1\n{END}", text, flags=re.MULTILINE)
    return f"{OWN_CHAIN}\n{text}{END}\n" if _is_of(item, "chain") else text


def _schema(containers: list[str]) -> dict[str, Any]:
    """A value with a wrong name or of a wrong type is refused by Helm."""
    amounts = {
        "type": "object",
        "properties": {key: {"type": "object"} for key in ("requests", "limits")},
        "additionalProperties": False,
    }
    text = {"type": "string", "minLength": 1}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "global": {"type": "object"},
            "peers": {"type": "integer", "minimum": 0, "maximum": MAX_PODS},
            "faults": {"type": "boolean"},
            "session": {"type": "string"},
            "externalChainPort": {"type": "integer", "minimum": 0, "maximum": 65535},
            "storageClass": {"type": "string"},
            "images": {"type": "object", "additionalProperties": False, "properties": {"prefix": text, "tag": text}},
            "resources": {
                "type": "object",
                "additionalProperties": False,
                "properties": dict.fromkeys(containers, amounts),
            },
        },
    }

"""Extract the schema of the objects that the kubernetes backend makes from Kubernetes' own swagger.json.

    python tools/kubernetes/schema.py SWAGGER.json > tests/golden/kubernetes-schema.json

It is stricter than the API: unknown fields are errors.  The file is in the Go module that tools/kubernetes/go.mod pins:
api/openapi-spec/swagger.json.
"""

import json
import sys
from pathlib import Path
from typing import Any

KINDS = (
    "apps.v1.StatefulSet",
    "batch.v1.Job",
    "core.v1.ConfigMap",
    "core.v1.Service",
    "networking.v1.NetworkPolicy",
)
PREFIX = "io.k8s.api."
KEPT = ("type", "items", "properties", "required", "$ref", "enum", "format")
INT_OR_STRING = {"type": ["integer", "string"]}


def extract(swagger: dict[str, Any]) -> dict[str, Any]:
    definitions: dict[str, Any] = {}
    wanted = [PREFIX + kind for kind in KINDS]
    while wanted:
        name = wanted.pop()
        if name not in definitions:
            definitions[name] = _strict(swagger["definitions"][name], wanted)
    by_kind = {kind.rpartition(".")[2]: {"$ref": f"#/definitions/{PREFIX}{kind}"} for kind in KINDS}
    return {"properties": by_kind, "definitions": dict(sorted(definitions.items()))}


def _strict(definition: dict[str, Any], wanted: list[str]) -> dict[str, Any]:
    if definition.get("format") == "int-or-string":
        return INT_OR_STRING
    result = {key: value for key, value in definition.items() if key in KEPT and key != "format"}
    if "$ref" in result:
        wanted.append(result["$ref"].removeprefix("#/definitions/"))
    if "items" in result:
        result["items"] = _strict(result["items"], wanted)
    if "properties" in result:
        result["properties"] = {name: _strict(each, wanted) for name, each in result["properties"].items()}
        result["additionalProperties"] = False
    elif "additionalProperties" in definition:
        result["additionalProperties"] = _strict(definition["additionalProperties"], wanted)
    return result


if __name__ == "__main__":
    print(
        json.dumps(
            extract(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))), separators=(",", ":"), sort_keys=True
        )
    )

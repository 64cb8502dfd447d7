#!/bin/bash
# Build a Kubernetes of two nodes if it is not built, start it, give it the images of this checkout, run the tests on it.
# test.sh PYTHON [ARGUMENT OF PYTEST ...]
set -euo pipefail
cd "$(dirname "$0")/../.."
python=$1
shift
cluster=tools/kubernetes/cluster.sh

sh tools/kubernetes/build.sh >&2
read -r -a images <<<"$("$python" -m learnae compose images | sed -n 's/^Built //p' | tr -d ,)"
trap '$cluster stop' EXIT
$cluster start >&2
$cluster import "${images[@]}"
export KUBECONFIG=/var/lib/learnae-kubernetes/kubeconfig
$cluster run "$python" -m pytest --no-header --durations=0 -m kubernetes "${@:-tests}"

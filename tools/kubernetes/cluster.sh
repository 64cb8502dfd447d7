#!/bin/bash
# A Kubernetes of one node, for tests, in namespaces of its own: cluster.sh start, run COMMAND ..., import IMAGE ..., stop
# It needs root, containerd, runc and iptables, and touches nothing of a Docker engine or of another containerd on this
# machine.  Ending the first process of its namespaces ends all of it.
set -euo pipefail
caller=$PWD
cd "$(dirname "$0")"
tools=$PWD/../../.tools/kubernetes
state=/var/lib/learnae-kubernetes # containerd's images stay here between starts
logs=$state/logs
pid=$state/pid
ADDRESS=10.244.0.1
PAUSE=learnae-pause:latest
scratch=/tmp
volumes=$scratch/hostpath_pv # where the controller manager makes volumes
export KUBECONFIG=$state/kubeconfig

say() { printf 'kubernetes: %s\n' "$*"; }
die() { say "$*" >&2; exit 2; }
is_running() { [ -f "$pid" ] && kill -0 "$(cat "$pid")" 2>/dev/null; }
enter() { nsenter --target "$(cat "$pid")" --mount --net --pid --uts --ipc -- "$@"; }
containerd_address() { printf %s/containerd.sock "$state/run"; }

# In the namespaces: start every part, then wait for them.
inside() {
    hostname learnae-node
    for folder in /run /var/lib/kubelet /var/lib/cni /var/log "$volumes"; do
        mkdir -p "$folder"
        mount -t tmpfs tmpfs "$folder"
    done
    mount --make-rshared /
    mkdir -p "$state/run" /run/lock
    ip link set lo up
    ip link add cni0 type bridge
    ip address add "$ADDRESS/24" dev cni0
    ip link set cni0 up
    sysctl -qw net.ipv4.ip_forward=1
    local part
    start() { part=$1 && shift && "$@" >"$logs/$part.log" 2>&1 & }

    start containerd containerd --config "$state/containerd.toml"
    start etcd "$tools/etcd" --data-dir "$state/run/etcd" --unsafe-no-fsync --listen-client-urls http://127.0.0.1:2379 \
        --advertise-client-urls http://127.0.0.1:2379 --listen-peer-urls http://127.0.0.1:2380
    start kube-apiserver "$tools/kube-apiserver" --etcd-servers http://127.0.0.1:2379 --cert-dir "$state/run/certificates" \
        --token-auth-file "$state/tokens.csv" --bind-address 127.0.0.1 --advertise-address "$ADDRESS" --secure-port 6443 \
        --authorization-mode Node,RBAC --allow-privileged --endpoint-reconciler-type none \
        --service-cluster-ip-range 10.245.0.0/24 --service-account-issuer https://kubernetes.default.svc \
        --service-account-key-file "$state/service-account.key" --service-account-signing-key-file "$state/service-account.key" \
        --kubelet-preferred-address-types InternalIP
    until kubectl get --raw /readyz >/dev/null 2>&1; do sleep 0.3; done
    start kube-controller-manager "$tools/kube-controller-manager" --kubeconfig "$KUBECONFIG" --leader-elect=false \
        --service-account-private-key-file "$state/service-account.key" --enable-hostpath-provisioner \
        --use-service-account-credentials=false
    start kube-scheduler "$tools/kube-scheduler" --kubeconfig "$KUBECONFIG" --leader-elect=false
    start kubelet "$tools/kubelet" --config "$state/kubelet.yml" --kubeconfig "$KUBECONFIG" \
        --container-runtime-endpoint "unix://$(containerd_address)" --hostname-override learnae-node --node-ip "$ADDRESS"
    start dns python3 "$PWD/dns.py" "$ADDRESS" "$tools/kubectl"
    kubectl apply -f storage-class.yml >/dev/null
    # Volumes of a cloud belong to the group of their pod (fsGroup); the folders of this provisioner belong to root alone.
    while sleep 0.2; do chmod -f a+rwx "$volumes"/* || true; done &
    wait
}

kubectl() { KUBECACHEDIR=$state/cache "$tools/kubectl" "$@"; }

configure() {
    mkdir -p "$state" "$logs" "$state/cni"
    [ -f "$state/service-account.key" ] || openssl genrsa -out "$state/service-account.key" 2048 2>/dev/null
    token=$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n')
    echo "$token,admin,admin,system:masters" >"$state/tokens.csv"
    chmod 600 "$state/tokens.csv"
    sed -e "s/TOKEN/$token/" -e "s#STATE#$state#" kubeconfig.yml >"$KUBECONFIG"
    chmod 600 "$KUBECONFIG"
    sed "s/ADDRESS/$ADDRESS/" kubelet.yml >"$state/kubelet.yml"
    sed "s/ADDRESS/$ADDRESS/" network.conflist >"$state/cni/network.conflist"
    sed -e "s#STATE#$state#" -e "s#TOOLS#$tools#" -e "s#PAUSE#$PAUSE#" containerd.toml >"$state/containerd.toml"
}

start() {
    is_running && return
    [ -x "$tools/kubernetes" ] && [ -x "$tools/cni/bridge" ] || die "Kubernetes is not built: run tools/kubernetes/build.sh"
    for program in containerd runc iptables; do
        command -v "$program" >/dev/null || die "$program is missing (Debian: apt-get install containerd iptables)"
    done
    configure
    setsid unshare --mount --net --pid --uts --ipc --fork --mount-proc --propagation private "$PWD/cluster.sh" inside \
        >"$logs/cluster.log" 2>&1 </dev/null &
    local parent=$!
    until pgrep --parent "$parent" >"$pid"; do kill -0 "$parent" || die "see $logs/cluster.log"; sleep 0.1; done
    for _ in $(seq 240); do
        enter env KUBECACHEDIR="$state/cache" "$tools/kubectl" wait --for condition=Ready node/learnae-node --timeout 1s \
            >/dev/null 2>&1 && break
        is_running || die "the cluster ended: see $logs"
        sleep 0.5
    done
    docker image inspect "$PAUSE" >/dev/null 2>&1 ||
        printf 'FROM debian:trixie-slim\nENTRYPOINT ["sleep", "infinity"]\n' | docker buildx build -q --load -t "$PAUSE" - >/dev/null
    import "$PAUSE"
    say "Kubernetes $(enter "$tools/kubectl" version -o json 2>/dev/null | sed -n 's/.*"gitVersion": "\(.*\)".*/\1/p' | tail -n 1) is up"
}

import() {
    for image in "$@"; do
        docker save "$image" | enter ctr --address "$(containerd_address)" --namespace k8s.io images import - >/dev/null
    done
}

stop() {
    is_running || return 0
    kill -KILL "$(cat "$pid")"
    rm -f "$pid"
    # what containerd's shims had mounted went with the namespaces; its state of containers must go, too
    rm -rf "$state/run" "$state/containerd/io.containerd.metadata.v1.bolt.lock"
}

command=${1:-}
[ -n "$command" ] || die "give a command: start, run COMMAND ..., import IMAGE ..., stop"
shift
case "$command" in
start | stop | inside) "$command" ;;
import) import "$@" ;;
run) is_running || die "the cluster does not run: cluster.sh start" && cd "$caller" && nsenter --target "$(cat "$pid")" --net -- "$@" ;;
*) die "there is no command $command" ;;
esac

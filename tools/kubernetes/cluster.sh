#!/bin/bash
# A Kubernetes of two nodes, for tests, in namespaces of its own: cluster.sh start, run COMMAND ..., import IMAGE ..., stop
# Node 0 also holds the control plane; node 1 has network and mounts of its own, and a cable to node 0.
# It needs root, containerd, runc and iptables, and touches nothing of a Docker engine or of another containerd on this
# machine.  Ending the first process of its namespaces ends all of it.
set -euo pipefail
caller=$PWD
cd "$(dirname "$0")"
tools=$PWD/../../.tools/kubernetes
state=/var/lib/learnae-kubernetes # the images of the nodes stay here between starts
logs=$state/logs
pid=$state/pid
NODES="0 1"
ADDRESS=10.244.0.1 # of node 0, and so of the API server and of DNS
CABLE=10.246.0     # network between the nodes
PAUSE=learnae-pause:latest
scratch=/tmp
volumes=$scratch/hostpath_pv # where the controller manager makes volumes; all nodes see them
export KUBECONFIG=$state/kubeconfig

say() { printf 'kubernetes: %s\n' "$*"; }
die() { say "$*" >&2; exit 2; }
is_running() { [ -f "$pid" ] && kill -0 "$(cat "$pid")" 2>/dev/null; }
enter() { nsenter --target "$(cat "$pid")" --mount --net --pid --uts --ipc -- "$@"; }
containerd_address() { printf %s/node-%s/run/containerd.sock "$state" "$1"; }
node_address() { printf 10.244.%s.1 "$1"; }
# Start a program, with a log.
part() { local name=$1 && shift && "$@" >"$logs/$name.log" 2>&1 & }

# Hide what other programs of this machine keep in these folders.
own_folders() {
    local folder
    for folder in "$@"; do
        mkdir -p "$folder"
        mount -t tmpfs tmpfs "$folder"
    done
    mount --make-rshared /
    mkdir -p /run/lock
}

# Give a node its address, and a bridge for its pods.
network() {
    ip link set lo up
    ip link add cni0 type bridge
    ip address add "$(node_address "$1")/24" dev cni0
    ip link set cni0 up
    sysctl -qw net.ipv4.ip_forward=1
}

# Start containerd and the kubelet of a node, in its namespaces.
node() {
    local number=$1 folder=$state/node-$1
    own_folders /run /var/lib/kubelet /var/lib/cni /var/log
    local trees=(/sys/fs/cgroup) # version 1 has a tree for each controller
    [ -e "$trees/cgroup.procs" ] || trees=(/sys/fs/cgroup/*)
    mkdir -p "$folder/run" "${trees[@]/%//learnae-node-$number}"
    part "containerd-$number" containerd --config "$folder/containerd.toml"
    part "kubelet-$number" "$tools/kubelet" --config "$folder/kubelet.yml" --kubeconfig "$KUBECONFIG" \
        --container-runtime-endpoint "unix://$(containerd_address "$number")" --hostname-override "learnae-node-$number" \
        --node-ip "$(node_address "$number")"
}

# In the namespaces of node 1, which start out as those of node 0: lay the cable, then start the node.
second() {
    network 1
    ip link add cable type veth peer name cable netns 1
    ip address add $CABLE.2/24 dev cable
    ip link set cable up
    nsenter --target 1 --net ip address add $CABLE.1/24 dev cable
    nsenter --target 1 --net ip link set cable up
    nsenter --target 1 --net ip route add 10.244.1.0/24 via $CABLE.2
    ip route add default via $CABLE.1
    node 1
    wait
}

# In the namespaces: start the control plane and the nodes, then wait for them.
inside() {
    hostname learnae-node-0
    own_folders "$volumes"
    mkdir -p "$state/run"
    network 0
    part etcd "$tools/etcd" --data-dir "$state/run/etcd" --unsafe-no-fsync --listen-client-urls http://127.0.0.1:2379 \
        --advertise-client-urls http://127.0.0.1:2379 --listen-peer-urls http://127.0.0.1:2380
    part kube-apiserver "$tools/kube-apiserver" --etcd-servers http://127.0.0.1:2379 --cert-dir "$state/run/certificates" \
        --token-auth-file "$state/tokens.csv" --bind-address 0.0.0.0 --advertise-address "$ADDRESS" --secure-port 6443 \
        --authorization-mode Node,RBAC --allow-privileged --endpoint-reconciler-type none \
        --service-cluster-ip-range 10.245.0.0/24 --service-account-issuer https://kubernetes.default.svc \
        --service-account-key-file "$state/service-account.key" --service-account-signing-key-file "$state/service-account.key" \
        --kubelet-preferred-address-types InternalIP
    until kubectl get --raw /readyz >/dev/null 2>&1; do sleep 0.3; done
    part kube-controller-manager "$tools/kube-controller-manager" --kubeconfig "$KUBECONFIG" --leader-elect=false \
        --service-account-private-key-file "$state/service-account.key" --enable-hostpath-provisioner \
        --use-service-account-credentials=false --kube-api-qps 200 --kube-api-burst 400
    part kube-scheduler "$tools/kube-scheduler" --kubeconfig "$KUBECONFIG" --leader-elect=false \
        --kube-api-qps 200 --kube-api-burst 400
    node 0
    part node-1 unshare --mount --net --propagation private "$PWD/cluster.sh" second
    part dns python3 "$PWD/dns.py" "$ADDRESS" "$tools/kubectl"
    kubectl apply -f storage-class.yml >/dev/null
    # Volumes of a cloud belong to the group of their pod (fsGroup); the folders of this provisioner belong to root alone.
    while sleep 0.2; do chmod -f a+rwx "$volumes"/* || true; done &
    wait
}

kubectl() { KUBECACHEDIR=$state/cache "$tools/kubectl" "$@"; }

configure() {
    mkdir -p "$state" "$logs"
    [ -f "$state/service-account.key" ] || openssl genrsa -out "$state/service-account.key" 2048 2>/dev/null
    token=$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n')
    echo "$token,admin,admin,system:masters" >"$state/tokens.csv"
    chmod 600 "$state/tokens.csv"
    sed -e "s/TOKEN/$token/" -e "s#STATE#$state#" -e "s/ADDRESS/$ADDRESS/" kubeconfig.yml >"$KUBECONFIG"
    chmod 600 "$KUBECONFIG"
    for number in $NODES; do
        local folder=$state/node-$number
        mkdir -p "$folder/cni"
        sed -e "s/NUMBER/$number/" -e "s/NODE/$(node_address "$number")/" -e "s/ADDRESS/$ADDRESS/" kubelet.yml >"$folder/kubelet.yml"
        sed "s/NUMBER/$number/" network.conflist >"$folder/cni/network.conflist"
        sed -e "s#STATE#$folder#" -e "s#TOOLS#$tools#" -e "s#PAUSE#$PAUSE#" containerd.toml >"$folder/containerd.toml"
    done
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
    local deadline=$((SECONDS + 120))
    until enter env KUBECACHEDIR="$state/cache" "$tools/kubectl" wait --for condition=Ready --timeout 1s \
        node/learnae-node-0 node/learnae-node-1 >/dev/null 2>&1; do
        is_running || die "the cluster ended: see $logs"
        [ "$SECONDS" -lt "$deadline" ] || die "the nodes are not ready: see $logs"
        sleep 0.5
    done
    docker image inspect "$PAUSE" >/dev/null 2>&1 ||
        printf 'FROM debian:trixie-slim\nENTRYPOINT ["sleep", "infinity"]\n' | docker buildx build -q --load -t "$PAUSE" - >/dev/null
    import "$PAUSE"
    say "Kubernetes $(enter "$tools/kubectl" version -o json 2>/dev/null | sed -n 's/.*"gitVersion": "\(.*\)".*/\1/p' | tail -n 1) is up"
}

import_into() {
    local address image
    address=$(containerd_address "$1") && shift
    for image in "$@"; do
        docker save "$image" | enter ctr --address "$address" --namespace k8s.io images import - >/dev/null
    done
}

import() {
    local jobs=() number job
    for number in $NODES; do
        import_into "$number" "$@" &
        jobs+=($!)
    done
    for job in "${jobs[@]}"; do wait "$job"; done
}

stop() {
    is_running || return 0
    kill -KILL "$(cat "$pid")"
    for _ in {1..100}; do is_running && sleep 0.1 || break; done # it ends after all others in its namespaces
    rm -f "$pid"
    # cgroups of nodes and pods, which are empty now
    find /sys/fs/cgroup -depth -type d -path '*/learnae-node-[01]*' -exec rmdir {} + 2>/dev/null || true
    # what containerd's shims had mounted went with the namespaces; its state of containers must go, too
    rm -rf "$state/run" "$state"/node-*/run "$state"/node-*/containerd/io.containerd.metadata.v1.bolt.lock
}

command=${1:-}
[ -n "$command" ] || die "give a command: start, run COMMAND ..., import IMAGE ..., stop"
shift
case "$command" in
start | stop | inside | second) "$command" ;;
import) import "$@" ;;
run) is_running || die "the cluster does not run: cluster.sh start" && cd "$caller" && nsenter --target "$(cat "$pid")" --net -- "$@" ;;
*) die "there is no command $command" ;;
esac

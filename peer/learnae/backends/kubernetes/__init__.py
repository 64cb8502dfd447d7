"""A session on Kubernetes: one StatefulSet of peers and one for the chain, in one namespace of any cluster.

`plan` and `manifests` are pure: the same plan gives the same manifests.  `cluster` is the only module that imports the
client library; `forwarding` makes a port of a pod a port of this machine, through the API server.  `session` runs a
swarm: it hands each pod its files, opens its gates, follows its peer and takes back its journal.
"""

"""The sidecar of a Kubernetes pod that takes the pod's files from the host and gives back its journal.

    python -m learnae.pod_files --listen 127.0.0.1:7100 --volume /volume --gates /gates --last peer

Only its host reaches it, through the API server: it listens on loopback.  So secrets and rows reach no other pod, and
are objects of no cluster.  It needs only the standard library.
"""

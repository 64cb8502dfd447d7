"""The sidecar that cuts, slows and delays the network links of one pod, and reports what is in effect.

    python -m learnae.link_agent --listen 0.0.0.0:7000 --token-file FILE [--control ADDRESS ...]

It needs only the standard library, because every peer has one and it must stay small.
"""

"""One Kubo node as ``ports.Store``, ``ports.IdentityKey`` and ``ports.Gossip``, and Kubo as a child process."""

from learnae.adapters.kubo.gossip import KuboGossip
from learnae.adapters.kubo.store import Kubo

__all__ = ["Kubo", "KuboGossip"]

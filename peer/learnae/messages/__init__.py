"""Encodings: messages between peers, ids, and dataclasses as JSON."""

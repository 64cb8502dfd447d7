"""Bytes and text that travel between peers and into files."""

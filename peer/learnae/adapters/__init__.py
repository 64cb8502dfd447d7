"""Implementations of the ports, one library each: Kubo, EVM, SQLite, memory."""

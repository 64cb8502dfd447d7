"""What moves the core: virtual time (sim)."""

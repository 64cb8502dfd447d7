"""The simulator: virtual time, reproducible from the seed."""

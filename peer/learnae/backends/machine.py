"""Free memory of this machine."""


def free_memory() -> int | None:
    """Bytes that new processes can use; None on systems without /proc/meminfo."""
    try:
        with open("/proc/meminfo", encoding="utf-8") as file:
            lines = dict(line.split(":", 1) for line in file)
        return int(lines["MemAvailable"].split()[0]) << 10
    except (OSError, KeyError, ValueError):
        return None

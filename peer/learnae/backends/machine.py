"""What this machine has to spare."""


def free_memory() -> int | None:
    """Bytes that the kernel could give; None where it cannot be asked."""
    try:
        with open("/proc/meminfo", encoding="utf-8") as file:
            lines = dict(line.split(":", 1) for line in file)
        return int(lines["MemAvailable"].split()[0]) << 10
    except (OSError, KeyError, ValueError):
        return None

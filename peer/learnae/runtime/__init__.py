"""What moves the core: virtual time (``sim``), asyncio (``live``); and what puts sessions together and runs many."""

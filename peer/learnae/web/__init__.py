"""Everything that is served or shown: the HTTP API, the live page and the report."""

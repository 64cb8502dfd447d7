"""The history of a session and the export of its chain, as files."""

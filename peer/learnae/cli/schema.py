"""`learnae schema`."""

import json


def schema() -> int:
    """Print the JSON Schema of session files, for editors that complete and check TOML."""
    from learnae.session.session_file import schema as session_schema

    print(json.dumps(session_schema(), indent=1))
    return 0

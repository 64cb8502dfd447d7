"""`learnae plugins`."""

import inspect

from learnae.cli.output import console, table_of
from learnae.plugins import BUILT_IN, Kind, plugin
from learnae.session.plugin_files import installed


def plugins() -> int:
    """List the plug-ins of each kind: the built-in ones, and those of installed packages (docs/how-to/plugins.md)."""
    table = table_of("kind", "name", "where", "what", texts=4)
    for kind in Kind:
        for name, where in BUILT_IN[kind].items():
            about = inspect.getdoc(plugin(kind, name)) or ""
            table.add_row(kind, name, where, about.partition("\n")[0])
        for point in installed(kind):
            table.add_row(kind, point.name, point.value, "")
    console.print(table)
    return 0

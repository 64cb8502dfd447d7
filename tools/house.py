"""Draw the package from its import contracts: the rooms, what each is for, and who imports whom.

The order is that of the layers in pyproject.toml, the sentences are those of each room's docstring, and the arrows are
the imports found in the code.
"""

import ast
import tomllib
from html import escape
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "peer" / "learnae"


def layers() -> list[list[str]]:
    """Rooms from top to bottom; rooms of one layer do not import each other."""
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    contract = next(each for each in tools["importlinter"]["contracts"] if each["name"] == "layers")
    return [[room.strip() for room in layer.split("|")] for layer in contract["layers"]]


def purpose(room: str) -> str:
    """First sentence of the room's docstring."""
    folder = PACKAGE / room / "__init__.py"
    path = folder if folder.exists() else PACKAGE / f"{room}.py"
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    sentence, period, _ = " ".join((text + "\n").split()).partition(".")
    if not period:
        raise ValueError(f"{path.relative_to(ROOT)}: its docstring must begin with a sentence")
    return sentence


def house_map() -> str:
    """The rooms as a text block in Markdown, in the order of the layers: imports point downwards only."""
    lines = ["```", "peer/learnae/"]
    for layer in layers():
        for room in layer:
            name = f"{room}/" if (PACKAGE / room).is_dir() else f"{room}.py"
            lines.append(f"  {name:<17} {purpose(room)}")
    return "\n".join([*lines, "```"])


def imports() -> set[tuple[str, str]]:
    """Which room imports which, without those that follow from others."""
    graph = grimp.build_graph("learnae", cache_dir=None)
    rooms = [room for layer in layers() for room in layer]
    found = set()
    for module in graph.modules:
        for other in graph.find_modules_directly_imported_by(module):
            pair = (_room(module), _room(other))
            if pair[0] != pair[1] and set(pair) <= set(rooms):
                found.add(pair)
    order = {room: number for number, room in enumerate(rooms)}
    return {pair for pair in found if not _follows(pair, found, order)}


def _room(module: str) -> str:
    return module.split(".")[1] if "." in module else module


def _follows(pair: tuple[str, str], pairs: set[tuple[str, str]], order: dict[str, int]) -> bool:
    """Whether another path leads from the one to the other."""
    start, end = pair
    reached, waiting = set[str](), [middle for first, middle in pairs if first == start and middle != end]
    while waiting:
        room = waiting.pop()
        if room == end:
            return True
        if room not in reached and order[room] < order[end]:
            reached.add(room)
            waiting += [after for before, after in pairs if before == room]
    return False


WIDTH, HEIGHT, GAP, LEFT = 620, 34, 14, 12
STYLE = """<style>
text { font-family: system-ui, sans-serif; fill: #1f2933 }
.name { font-size: 15px; font-weight: 600 }
.purpose { font-size: 12px; fill: #52606d }
rect { fill: #f5f7fa; stroke: #9aa5b1 }
path { fill: none; stroke: #486581; stroke-opacity: .65 }
@media (prefers-color-scheme: dark) {
  text { fill: #f5f7fa } .purpose { fill: #cbd2d9 } rect { fill: #323f4b; stroke: #7b8794 } path { stroke: #9fb3c8 }
}
</style>"""


def house_picture() -> str:
    """An SVG: one box per room, one arc per import that does not follow from others."""
    rooms = [room for layer in layers() for room in layer]
    middle = {room: LEFT + number * (HEIGHT + GAP) + HEIGHT / 2 for number, room in enumerate(rooms)}
    boxes, arcs = [], []
    for room in rooms:
        top = middle[room] - HEIGHT / 2
        boxes.append(f'<rect x="{LEFT}" y="{top:g}" width="{WIDTH}" height="{HEIGHT}" rx="6"/>')
        boxes.append(f'<text class="name" x="{LEFT + 10}" y="{top + 22:g}">{room}</text>')
        boxes.append(f'<text class="purpose" x="{LEFT + 120}" y="{top + 22:g}">{escape(purpose(room))}</text>')
    right = LEFT + WIDTH
    for start, end in sorted(imports()):
        down, up = middle[start] + 6, middle[end] - 6
        bend = right + 20 + (up - down) * 0.45
        curve = f"M{right} {down:g}C{bend:g} {down:g} {bend:g} {up:g} {right + 3} {up:g}"
        arcs.append(f'<path d="{curve}" marker-end="url(#arrow)"/>')
    size = f"{right + 320} {LEFT * 2 + len(rooms) * (HEIGHT + GAP):g}"
    marker = (
        '<marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" style="fill:#486581;stroke:none"/></marker>'
    )
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}">'
    return "\n".join(
        [
            head,
            "<title>Packages of LEARNAE and their imports</title>",
            STYLE,
            f"<defs>{marker}</defs>",
            *boxes,
            *arcs,
            "</svg>",
            "",
        ]
    )

"""Draws the `mermaid` flowcharts of the pages as SVG, so that the site needs neither a script nor a network.

It knows what these pages use: `flowchart LR` or `TD`, nodes without shapes of their own, and edges `a --> b`. The test
of the pages reads the same lines, so what is drawn is what was checked.
"""

# ruff: noqa: INP001  scripts of the site, not a package

from __future__ import annotations

import re
from html import escape
from itertools import pairwise
from typing import Any

from docutils import nodes

EDGE = re.compile(r"^\s*([\w-]+) --> ([\w-]+)\s*$", re.MULTILINE)
CHAR, HEIGHT, GAP, LAYER_GAP, LANE, MARGIN = 7.6, 30, 14, 44, 6, 12
"""Pixels: a character's width, a node's height, between nodes, between layers, for a passing arrow, around all."""

Arrow = tuple[str, str]


def edges(text: str) -> list[Arrow]:
    """The arrows of a flowchart, in its order."""
    return [(a, b) for a, b in EDGE.findall(text)]


def layers(arrows: list[Arrow]) -> tuple[list[list[str]], list[list[str]]]:
    """The nodes by the longest way that leads to them, in an order with few crossings, and each arrow's way.

    An arrow over several layers passes each of them in a lane of its own, whose name has a `>`.
    """
    names = list(dict.fromkeys(name for arrow in arrows for name in arrow))
    depth = dict.fromkeys(names, 0)
    for _ in names:
        for a, b in arrows:
            depth[b] = max(depth[b], depth[a] + 1)
    ways = [[a, *(f"{a}>{b}>{level}" for level in range(depth[a] + 1, depth[b])), b] for a, b in arrows]
    found: list[list[str]] = [[] for _ in range(max(depth.values()) + 1)]
    for way in ways:
        for level, name in enumerate(way, depth[way[0]]):
            if name not in found[level]:
                found[level].append(name)
    steps = [step for way in ways for step in pairwise(way)]
    for _ in range(12):
        _untangle(found, steps, forward=True)
        _untangle(found, steps, forward=False)
    return found, ways


def _untangle(found: list[list[str]], steps: list[Arrow], *, forward: bool) -> None:
    """Sorts each layer by the middle of its neighbours' places."""
    place = {name: (n + 0.5) / len(layer) for layer in found for n, name in enumerate(layer)}
    for layer in found if forward else found[::-1]:
        middle = {name: _middle(name, place, steps, forward=forward) for name in layer}
        layer.sort(key=middle.__getitem__)
        place.update({name: (n + 0.5) / len(layer) for n, name in enumerate(layer)})


def _middle(name: str, place: dict[str, float], steps: list[Arrow], *, forward: bool) -> float:
    near = [place[a if forward else b] for a, b in steps if name == (b if forward else a)]
    return sum(near) / len(near) if near else place[name]


def svg(text: str) -> str:
    """The picture of a flowchart; its colours are those of the page."""
    found, ways = layers(edges(text))
    down = bool(re.search(r"flowchart T[DB]", text))
    wide = max(len(name) for layer in found for name in layer if ">" not in name) * CHAR + 20
    boxes = _placed(found, wide, down=down)
    width = max(x + w for x, _, w, _ in boxes.values()) + 2 * MARGIN
    height = max(y + h for _, y, _, h in boxes.values()) + 2 * MARGIN
    drawn = [_arrow([boxes[name] for name in way], down=down) for way in ways]
    drawn += [_node(name, box) for name, box in boxes.items() if ">" not in name]
    return (
        f'<svg class="flowchart" role="img" viewBox="{-MARGIN} {-MARGIN} {width:.0f} {height:.0f}" '
        f'style="max-width: {width:.0f}px" xmlns="http://www.w3.org/2000/svg">{_ARROWHEAD}{"".join(drawn)}</svg>'
    )


Box = tuple[float, float, float, float]
"""Left, top, width, height."""


def _placed(found: list[list[str]], wide: float, *, down: bool) -> dict[str, Box]:
    """Where each node and lane is; each layer in the middle of the longest."""
    across, along = (wide, HEIGHT) if down else (HEIGHT, wide)
    sizes = [[LANE if ">" in name else across for name in layer] for layer in found]
    lengths = [sum(size) + GAP * (len(size) - 1) for size in sizes]
    boxes: dict[str, Box] = {}
    for level, (layer, size, length) in enumerate(zip(found, sizes, lengths, strict=True)):
        side, start = (max(lengths) - length) / 2, level * (along + LAYER_GAP)
        for name, extent in zip(layer, size, strict=True):
            boxes[name] = (side, start, extent, along) if down else (start, side, along, extent)
            side += extent + GAP
    return boxes


_ARROWHEAD = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path d="M0 0 L8 4 L0 8 z"/></marker></defs>'
)


def _arrow(way: list[Box], *, down: bool) -> str:
    """A curve from the first box along the lanes to the last."""
    path = ""
    for (x1, y1, w1, h1), (x2, y2, w2, h2) in pairwise(way):
        if down:
            (ax, ay), (bx, by) = (x1 + w1 / 2, y1 + h1), (x2 + w2 / 2, y2)
            bend = f"{ax:.0f} {(ay + by) / 2:.0f}, {bx:.0f} {(ay + by) / 2:.0f}"
        else:
            (ax, ay), (bx, by) = (x1 + w1, y1 + h1 / 2), (x2, y2 + h2 / 2)
            bend = f"{(ax + bx) / 2:.0f} {ay:.0f}, {(ax + bx) / 2:.0f} {by:.0f}"
        path += f"{'L' if path else 'M'}{ax:.0f} {ay:.0f} C {bend}, {bx:.0f} {by:.0f} "
    return f'<path class="edge" d="{path}" marker-end="url(#tip)"/>'


def _node(name: str, box: Box) -> str:
    x, y, width, height = box
    rect = f'<rect x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{height}" rx="6"/>'
    return f'{rect}<text x="{x + width / 2:.0f}" y="{y + height / 2:.0f}">{escape(name)}</text>'


def _draw(_app: Any, doctree: nodes.document) -> None:
    for block in list(doctree.findall(nodes.literal_block)):
        if block.get("language") == "mermaid":
            block.replace_self(nodes.raw("", svg(block.astext()), format="html"))


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("doctree-read", _draw)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

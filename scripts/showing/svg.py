"""A terminal's screen as an SVG that needs nothing but itself.

Textual's export loads a font from a network, names its parts by a checksum, and leaves it to blanks to
keep text in its columns, which not every reader of SVG does. Here each piece of text has its own place
and width, and any monospaced font will do.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

from rich.cells import cell_len
from rich.color import blend_rgb
from rich.color_triplet import ColorTriplet
from rich.segment import Segment
from rich.style import Style
from rich.terminal_theme import TerminalTheme

# Pixels. A cell is as wide as those of the usual fonts at this size, or a little wider.
_FONT = 20
_CELL = 12.2
_LINE = 24
_BASELINE = 18
_MARGIN = 14
_BAR = 44
_FONTS = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace"
_BUTTONS = ("#ff5f57", "#febc2e", "#28c840")
_NAMESPACE = "{http://www.w3.org/2000/svg}"
# Text in each but black, and in the dim foreground, is at least 4.5 to 1 (WCAG 1.4.3).
_THEME = TerminalTheme(
    (27, 31, 39),
    (222, 226, 232),
    [
        (72, 79, 90),
        (255, 123, 114),
        (126, 200, 120),
        (226, 184, 84),
        (121, 174, 255),
        (206, 150, 232),
        (102, 200, 214),
        (222, 226, 232),
    ],
)
_DIM = 0.35


class _Piece(NamedTuple):
    """Text without blanks at its ends, or two in a row, at a column of a line."""

    x: int
    y: int
    text: str
    look: str


class _Fill(NamedTuple):
    """A background other than the screen's, `cells` wide."""

    x: int
    y: int
    cells: int
    colour: str


def drawn(lines: Iterable[Iterable[Segment]], title: str) -> str:
    """The lines of a screen, all of one width, in a window with this title."""
    pieces: list[_Piece] = []
    fills: list[_Fill] = []
    columns = rows = 0
    for y, line in enumerate(lines):
        x = 0
        for text, style, _ in line:
            ink, ground, bold = _look(style or Style())
            cells = cell_len(text)
            if ground != _THEME.background_color.hex:
                _fill(fills, _Fill(x, y, cells, ground))
            pieces += _pieces(text, x, y, f"{ink} {'bold' if bold else 'normal'}")
            x += cells
        columns, rows = max(columns, x), y + 1
    looks = sorted({piece.look for piece in pieces})
    width, height = columns * _CELL + 2 * _MARGIN, rows * _LINE + _BAR + _MARGIN
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}">',
            f"<title>{escape(title)}</title>",
            f"<style>text{{font:{_FONT}px {_FONTS}}}",
            *(f".{_name(looks, look)}{{{_css(look)}}}" for look in looks),
            "</style>",
            *_window(width, height, title),
            f'<g transform="translate({_MARGIN},{_BAR})">',
            *(
                f'<rect x="{x * _CELL:g}" y="{y * _LINE}" width="{cells * _CELL:g}" '
                f'height="{_LINE}" fill="{colour}" shape-rendering="crispEdges"/>'
                for x, y, cells, colour in fills
            ),
            *(_text(piece, looks) for piece in pieces),
            "</g>",
            "</svg>\n",
        )
    )


def texts(svg: str) -> list[str]:
    """The lines of the screen that `drawn` drew, without the blanks at their ends."""
    lines: dict[int, str] = {}
    for found in ET.fromstring(svg).iterfind(f"{_NAMESPACE}g/{_NAMESPACE}text"):
        x = round(float(found.attrib["x"]) / _CELL)
        y = (int(found.attrib["y"]) - _BASELINE) // _LINE
        before = lines.get(y, "")
        lines[y] = before + " " * (x - cell_len(before)) + (found.text or "")
    return [lines.get(y, "") for y in range(max(lines, default=-1) + 1)]


def _look(style: Style) -> tuple[str, str, bool]:
    """The colours of text and ground, and whether it is bold."""
    ink = _colour(style, ground=False)
    ground = _colour(style, ground=True)
    if style.reverse:
        ink, ground = ground, ink
    if style.dim:
        ink = blend_rgb(ink, ground, _DIM)
    return ink.hex, ground.hex, bool(style.bold)


def _colour(style: Style, *, ground: bool) -> ColorTriplet:
    colour = style.bgcolor if ground else style.color
    if colour is None or colour.is_default:
        return _THEME.background_color if ground else _THEME.foreground_color
    return colour.get_truecolor(_THEME, foreground=not ground)


def _fill(fills: list[_Fill], new: _Fill) -> None:
    """Add it to the one at its left where they are one."""
    last = fills[-1] if fills else None
    left = last is not None and (last.x + last.cells, last.y, last.colour)
    if last is not None and left == (new.x, new.y, new.colour):
        fills[-1] = last._replace(cells=last.cells + new.cells)
    else:
        fills.append(new)


def _pieces(text: str, x: int, y: int, look: str) -> Iterator[_Piece]:
    for part in text.split("  "):
        words = part.strip(" ")
        if words:
            yield _Piece(x + len(part) - len(part.lstrip(" ")), y, words, look)
        x += cell_len(part) + 2


def _text(piece: _Piece, looks: list[str]) -> str:
    # Bars are one cell wide also where the font's are not, and words keep the shape of their letters.
    adjust = "" if piece.text.isascii() else ' lengthAdjust="spacingAndGlyphs"'
    return (
        f'<text class="{_name(looks, piece.look)}" x="{piece.x * _CELL:g}" '
        f'y="{piece.y * _LINE + _BASELINE}" textLength="{cell_len(piece.text) * _CELL:g}"'
        f"{adjust}>{escape(piece.text)}</text>"
    )


def _name(looks: list[str], look: str) -> str:
    return f"s{looks.index(look)}"


def _css(look: str) -> str:
    colour, weight = look.split()
    return f"fill:{colour}" + (";font-weight:bold" if weight == "bold" else "")


def _window(width: float, height: float, title: str) -> Iterator[str]:
    ground, ink = _THEME.background_color.hex, _THEME.foreground_color.hex
    yield f'<rect width="{width:g}" height="{height:g}" rx="9" fill="{ground}"/>'
    for number, colour in enumerate(_BUTTONS):
        yield f'<circle cx="{24 + 22 * number}" cy="{_BAR // 2}" r="7" fill={quoteattr(colour)}/>'
    yield (
        f'<text x="{width / 2:g}" y="{_BAR // 2 + 6}" text-anchor="middle" fill="{ink}">'
        f"{escape(title)}</text>"
    )

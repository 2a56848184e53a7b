"""The signs of the screen, and the last border before it: what may be drawn at all."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

from ebpftrace.text import clean

# A cell takes one character, and a few that combine with it. What is beyond can never be seen, and
# looking at it costs: a name may have 100 kB.
_CHARACTERS_PER_CELL = 4
_NARROW = re.compile(r"[\x20-\x7e…←│▸▾›·−]*")
_IN_ASCII = str.maketrans(
    {
        "…": "...",
        "·": "?",
        "−": "-",
        "▸": ">",
        "▾": "v",
        "›": ">",
        "│": "|",
        "\N{NO-BREAK SPACE}": " ",
    }
)


@dataclass(frozen=True, slots=True)
class Glyphs:
    """One set of signs, each of them one cell wide except `caller`.

    `up` and `across` lead from an empty cell to a full one, from the bottom and from the left.
    `mark` is a moment on a line of time, `axis` that line; `edge` is where a box begins.
    """

    descending: str
    ascending: str
    cursor: str
    caller: str
    cut: str
    ascii_only: bool
    up: str
    across: str
    mark: str
    axis: str
    edge: str

    def safe(self, text: str, width: int) -> str:
        """`text` as a terminal may be given it, up to what `width` cells can show."""
        text = clean(text[: _CHARACTERS_PER_CELL * width + 1])
        if self.ascii_only and not text.isascii():
            text = text.translate(_IN_ASCII).encode("ascii", "replace").decode("ascii")
        return text

    def fit(self, text: str, width: int, right: bool = False) -> str:
        """`text` in exactly `width` cells, to the right or to the left; `cut` where it is cut."""
        if width <= 0:
            return ""
        text = self.safe(text, width)
        narrow = _NARROW.fullmatch(text) is not None
        cells = len(text) if narrow else cell_len(text)
        if cells > width:
            # Where every character has one cell there is no need to look for what combines.
            kept = text[: width - 1] if narrow else set_cell_size(text, width - 1)
            return kept + self.cut
        padding = " " * (width - cells)
        return padding + text if right else text + padding


UNICODE = Glyphs(
    *("▼", "▲", "▸", "←", "…"),
    ascii_only=False,
    up=" ▁▂▃▄▅▆▇█",
    across=" ▏▎▍▌▋▊▉█",
    mark="◆",
    axis="─",
    edge="▏",
)
ASCII = Glyphs(
    *("v", "^", ">", "<-", "~"),
    ascii_only=True,
    up=" .:|#",
    across=" .#",
    mark="*",
    axis="-",
    edge="|",
)


def glyphs_for(encoding: str | None, environment: Mapping[str, str]) -> Glyphs:
    """The signs for a terminal that is written to in `encoding`.

    Python takes the locale C for UTF-8 (PEP 538 and 540) and sets LC_CTYPE accordingly; whoever
    named that locale asked for ASCII all the same.
    """
    if (encoding or "").lower().replace("-", "") != "utf8":
        return ASCII
    named = environment.get("LC_ALL") or environment.get("LANG") or ""
    return ASCII if named in {"C", "POSIX"} else UNICODE

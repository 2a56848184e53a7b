"""The flame graph page in a headless Chromium: what it holds, and that it shows as many blocks.

How it answers to mouse and keys is `flame_page`'s.
"""

import re

from ebpftrace.export.formats.subject import MEASURES, Measure
from scripts.formats import chromium
from scripts.formats.checking import Failed, Files, Tool, Totals
from scripts.formats.flame_page import READY

# By the page's own code, of its own data.
_SUMS = "readTree(part('data').textContent).then(({now}) => now.map((sums) => sums[0]))"
_CHOOSE = "part('measure').value = '{}'; part('measure').dispatchEvent(new Event('change'))"
_BLOCKS_OF: tuple[Measure, ...] = ("blocks", "blocks", "allocated-blocks", "allocated-blocks")
_BLOCKS = re.compile(r" in (−?)([\d\u202f]+) blocks?\b")


def totals(files: Files) -> Totals:
    """Of the box at the start, whose words have to name the blocks of each measure."""
    with chromium.Page() as page:
        page.open(files["bytes"])
        page.until(READY)
        failure = page.value("part('failure').textContent")
        if failure or page.complaints:
            raise Failed(f"the page says: {failure or page.complaints[0]}")
        found = dict(zip(MEASURES, map(int, page.value(_SUMS)), strict=True))
        for number, blocks in enumerate(_BLOCKS_OF):
            page.value(_CHOOSE.format(number))
            page.settled()
            words = page.value("part('detail').textContent")
            shown = _BLOCKS.search(words)
            if shown is None or _number(*shown.groups()) != found[blocks]:
                raise Failed(f"it holds {found[blocks]:,} blocks and shows {words[:200]!r}")
    return found


def _number(sign: str, digits: str) -> int:
    return int(digits.replace("\u202f", "")) * (-1 if sign else 1)


TOOL = Tool("html", "Chromium", chromium.BROUGHT_BY, chromium.version, totals)

"""The dashboard as it is seen, of frozen pictures: every character, and the style that it has.

What is compared is in screens/*.txt, which no version of Textual changes: the text of the whole
screen, and the styles of what is drawn by ourselves. The .svg beside it is for looking at.
`EBPFTRACE_NEW_SCREENS=1` makes both anew.
"""

import difflib
import hashlib
import os
import re
from itertools import groupby
from pathlib import Path

import pytest

from tests.unit.frozen import BLOCKS, NOW, TEXT, frozen
from tests.unit.pilot import give, play, press, screen, settled, until

FOLDER = Path(__file__).parent / "screens"
MADE_ANEW = bool(os.environ.get("EBPFTRACE_NEW_SCREENS"))


def written(app):
    """Its text, and below it, line by line, from which column on it has which style."""
    styled = [
        f"{y:3} {styles}"
        for y, strip in enumerate(app.screen._compositor.render_strips())
        if (styles := _styles(app, y, strip))
    ]
    return "\n".join([*(row.rstrip() for row in screen(app)), "--- styles", *styled, ""])


def _styles(app, y, strip):
    ours = [
        one.region
        for one in (
            app.edges.header,
            app.edges.timeline,
            app.edges.scope,
            app.table,
            app.flame,
            app.pane,
            app.edges.status,
        )
        if one.display and one.region.y <= y < one.region.bottom
    ]
    cells = []
    for segment in strip:
        cells += [_style(segment.style)] * segment.cell_length
    known = [
        (x, style if any(region.x <= x < region.right for region in ours) else "")
        for x, style in enumerate(cells)
    ]
    runs = [(style, next(run)[0]) for style, run in groupby(known, key=lambda one: one[1])]
    return " ".join(f"{x}:{style}" for style, x in runs if style)


def _style(style):
    """What is on, and the colour, of those that the terminal has."""
    if style is None:
        return ""
    on = [name for name in ("bold", "dim", "reverse") if getattr(style, name)]
    colour = style.color.name if style.color is not None else "default"
    return "+".join([*on, *([] if "default" in colour else [colour])])


def compare(app, name):
    """With the file of this name; says in lines of the screen what differs."""
    now, path = written(app), FOLDER / f"{name}.txt"
    if MADE_ANEW:
        FOLDER.mkdir(exist_ok=True)
        path.write_text(now, encoding="utf-8")
        svg = re.sub(r"terminal-\d+", "terminal", app.export_screenshot(title="ebpftrace"))
        (FOLDER / f"{name}.svg").write_text(f"{svg}\n<!-- {_digest(now)} -->\n", encoding="utf-8")
    then = path.read_text(encoding="utf-8")
    if now != then:
        lines = difflib.unified_diff(
            then.splitlines(), now.splitlines(), path.name, "the screen now", lineterm="", n=1
        )
        pytest.fail("\n".join(lines), pytrace=False)
    kept = (FOLDER / f"{name}.svg").read_text(encoding="utf-8")
    assert _digest(then) in kept, f"{name}.svg is of another screen; make both anew"


def _digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    "name,size,keys",
    [
        ("sites-80x24", (80, 24), ()),
        ("sites-120x40", (120, 40), ()),
        ("wide-200x55", (200, 55), ()),
        ("calls-100x30", (100, 30), ("6",)),
        ("flame-100x30", (100, 30), ("f", "down")),
    ],
)
def test_the_screen_is_the_one_that_was_looked_at(name, size, keys):
    async def scene(app, pilot, source):
        source.found, source.text = BLOCKS, TEXT
        for now in range(4, NOW + 1, 4):
            await give(pilot, source, frozen(now))
        await press(pilot, *keys)
        if app.site is not None:
            here = app.site
            await until(pilot, lambda: surveyed(app) == here)
        await settled(pilot)
        compare(app, name)

    def surveyed(app):
        """The site of the survey that is on the screen."""
        return app._surveyed.subject.site if app._surveyed is not None else None

    play(scene, frozen(2), size=size)

"""Flame graph pages in a real browser, used as people use them: with mouse, keys and eyes (--pictures)."""

import argparse
import io
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from ebpftrace.analysis.selection import Selection
from ebpftrace.collector import collector_paused
from ebpftrace.export.formats.flame_html import write
from ebpftrace.export.formats.subject import MEASURES, Measure, Subject
from ebpftrace.model.picture import Counts, Picture
from ebpftrace.model.snapshot import Snapshot, Trigger
from ebpftrace.snapshot.loading import load, pictures
from ebpftrace.text import clean
from scripts.formats.chromium import PROGRAM, Page
from scripts.formats.subjects import BREAKING, RECORDING
from tests.unit.builders import frame, picture, site
from tests.unit.snapshot_builders import snapshot

READY = "!part('main').hidden || !part('failure').hidden"
_FIND = """(name) => {
  const area = part('graph').getBoundingClientRect();
  for (let clientY = area.top + 9; clientY < area.bottom; clientY += 19) {
    for (let clientX = area.left + 3; clientX < area.right; clientX += 6) {
      part('canvas').dispatchEvent(new PointerEvent('pointermove', { clientX, clientY }));
      if (part('detail').firstChild.textContent === name) return [clientX, clientY];
    }
  }
  return null;
}"""


class Check:
    """Pages in a folder, one browser, and what was wrong."""

    def __init__(self, page: Page, folder: Path, pictures: Path | None) -> None:
        self.page = page
        self.wrong: list[str] = []
        self._folder = folder
        self.pictures = pictures

    def open(self, name: str, subject: Subject) -> float:
        """Seconds from the command to open it to its first paint."""
        out = io.BytesIO()
        write(subject, out)
        path = self._folder / f"{name}.html"
        path.write_bytes(out.getvalue())
        self.page.loads.clear()
        began = time.monotonic()
        self.page.open(path)
        self.page.until(READY)
        self.page.settled()
        took = time.monotonic() - began
        self.same(f"{name}: failures", self.text("failure"), "")
        self.same(f"{name}: what it loads", self.page.loads, [path.as_uri()])
        return took

    def same(self, what: str, seen: object, wanted: object) -> None:
        if seen != wanted:
            self.wrong.append(f"{what}: {seen!r} instead of {wanted!r}")

    def has(self, what: str, seen: str, wanted: str) -> None:
        if wanted not in seen:
            self.wrong.append(f"{what}: {wanted!r} is not in {seen!r}")

    def text(self, element: str) -> str:
        said: str = self.page.value(f"part({json.dumps(element)}).textContent")
        return said

    def show(self, name: str) -> None:
        if self.pictures is not None:
            self.page.picture(self.pictures / f"{name}.png")

    def choose(self, element: str, value: str) -> None:
        chosen = f"part({json.dumps(element)}).value = {json.dumps(value)}"
        self.page.value(f"{chosen}; part({json.dumps(element)}).dispatchEvent(new Event('change'))")
        self.page.settled()

    def search(self, text: str) -> str:
        self.page.value("part('search').value = ''; part('search').focus()")
        self.page.type(text)
        return self.text("found")

    def find(self, name: str) -> tuple[float, float]:
        """Where the box of a function is: by pointing at every row and column until it says so."""
        found = self.page.value(f"({_FIND})({json.dumps(name)})")
        if found is None:
            raise LookupError(f"no box of {name}")
        x, y = found
        return x, y


def main() -> int:
    """0 if every page did what it should."""
    parser = argparse.ArgumentParser(prog="scripts/check-flame-page", description=__doc__)
    parser.add_argument("snapshots", nargs="*", metavar="SNAPSHOT", help="also measured")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="where to leave screenshots")
    parser.add_argument("--chromium", default=PROGRAM, metavar="PROGRAM")
    given = parser.parse_args()
    if given.pictures is not None:
        given.pictures.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, Page(given.chromium) as page:
        check = Check(page, Path(folder), given.pictures)
        for part in (_shop, _diff, _hostile, _odd, _deep):
            part(check)
        for path in given.snapshots:
            _measured(check, path)
        wrong = [*check.wrong, *(f"the browser says: {one}" for one in page.complaints)]
    print("\n".join(wrong) or "every page does what it should")
    return 1 if wrong else 0


def _recorded(part: float) -> Snapshot:
    """The picture of the shop after this part of its pictures."""
    with pictures(str(RECORDING), math.inf) as replay:
        seen = [replay.latest()]
        while (following := replay.after(seen[-1], 0.0)) is not None:
            seen.append(following)
    shown: Picture = seen[int(part * (len(seen) - 1))]
    return Snapshot(shown, Trigger("end", "The recording ended."), "shop", "ebpftrace")


def _subject(shown: Snapshot, measure: Measure = "bytes", base: Snapshot | None = None) -> Subject:
    return Subject.of(shown, "shop.jsonl.gz", Selection(), measure, base=base)


def _share(subject: Subject, holds: Callable[[str], bool]) -> tuple[float, int, int]:
    """Of the bytes, in percent, and bytes and blocks: of the stacks with such a function."""
    those = [
        one.counts
        for one in subject.sites
        if any(frame.function and holds(frame.function) for frame in one.at.frames)
    ]
    size = sum(one.bytes for one in those)
    return 100 * size / subject.counts.bytes, size, sum(one.blocks for one in those)


def _shop(check: Check) -> None:
    subject = _subject(_recorded(1))
    page = check.page
    check.open("shop", subject)
    check.show("shop")
    check.has("all of it", check.text("detail"), f"{subject.counts.bytes / 2**20:.1f} MiB in ")
    _searched(check, subject)
    _zoomed(check, subject)
    for number, measure in enumerate(MEASURES):
        check.choose("measure", str(number))
        check.has(measure, check.text("detail"), "100.0 % of all")
        check.show(f"shop-{measure}")
    page.value("part('canvas').focus()")
    page.key("m")
    check.same("the measure after m", page.value("part('measure').value"), "0")
    page.key("f")
    check.show("shop-flame")
    page.key("f")
    page.scheme("dark")
    check.show("shop-dark")
    page.resize(390, 844, phone=True)
    page.settled()
    check.same("a phone scrolls aside", page.value("document.body.scrollWidth > 390"), False)
    check.show("shop-phone")
    page.scheme("light")
    page.resize(1280, 800)
    page.settled()
    check.same("the width after a resize", page.value("part('canvas').width"), 1280 - 24)
    printed = page.pdf()
    check.same("a print", printed[:5], b"%PDF-")
    if check.pictures is not None:
        (check.pictures / "shop.pdf").write_bytes(printed)


def _searched(check: Check, subject: Subject) -> None:
    share, size, blocks = _share(subject, lambda name: "Sessions::open" in name)
    assert 0 < share < 100
    found = check.search("sessions::OPEN")
    digits = f"{blocks:,}".replace(",", "\u202f")
    check.same("search", found, f"matches {share:.1f} %, {size / 2**20:.1f} MiB in {digits} blocks")
    check.show("shop-search")
    check.same("search for nothing", check.search("no such thing"), "nothing matches")
    check.page.value("part('regex').click()")
    check.same("half a pattern", check.search("(open"), "This is no regular expression yet.")
    check.has("a pattern", check.search("sessions::(open|close)"), "matches")
    check.page.key("Escape")
    check.same("search after escape", check.text("found"), "")


def _zoomed(check: Check, subject: Subject) -> None:
    page = check.page
    name = next(
        frame.function
        for one in subject.sites
        for frame in one.at.frames
        if frame.function and "Server::handle" in frame.function
    )
    share, size, _ = _share(subject, lambda one: one == name)
    where = check.find(name)
    check.has("detail", check.text("detail"), f"{size / 2**20:.1f} MiB in")
    check.has("detail", check.text("detail"), f"{share:.1f} % of all")
    check.has("source", check.text("detail"), "shop.cpp")
    page.click(*where)
    check.has("the way there", check.text("path"), "main")
    check.has("zoom", check.text("detail"), "100.0 % of what is shown")
    check.show("shop-zoom")
    page.key("ArrowDown")
    check.has("an arrow", check.text("detail"), "of what is shown")
    inner = check.text("detail")
    page.key("Enter")
    page.key("Backspace")
    page.key("ArrowDown")
    check.same("back, and the arrow again", check.text("detail"), inner)
    page.key("Escape")
    check.same("the way after escape", page.value("part('path').children.length"), 2)
    page.key("/")
    check.same("where / leads", page.value("document.activeElement.id"), "search")
    page.key("Escape")


def _diff(check: Check) -> None:
    older, newer = _recorded(0.3), _recorded(1)
    check.open("diff", _subject(newer, base=older))
    check.show("diff")
    check.has(
        "what it was", check.text("detail"), f"was {older.picture.totals.bytes / 2**20:.1f} MiB"
    )
    check.has("legend", check.text("legend"), "▲ grew")
    check.choose("side", "change")
    check.show("diff-change")
    check.open("shrunk", _subject(_recorded(0), base=newer))
    check.choose("measure", "1")
    check.has("less", check.text("detail"), "▼ −")
    check.same("gone is listed", check.page.value("part('goneSection').hidden"), False)
    check.page.value("part('gone').querySelector('button').click()")
    check.page.settled()
    check.has("of what is gone", check.text("detail"), "0 B in 0 blocks")
    check.show("diff-gone")


def _hostile(check: Check) -> None:
    said = [clean(name) for name in BREAKING]
    sites = [site(name, frames=(frame(name, file=name, line=1), frame("main"))) for name in said]
    subject = Subject.of(snapshot(picture(*sites)), said[0], Selection())
    check.open("hostile", subject)
    for name in said[-3:]:
        check.has("search", check.search(name[:60]), "100 B in 1 block")
    check.page.key("Escape")
    check.find(said[-2])
    check.show("hostile")
    check.has("title", check.page.value("document.title"), "app (pid 42)")


def _odd(check: Check) -> None:
    """Nothing at all, and more freed than was seen to be allocated."""
    check.open("empty", Subject.of(snapshot(picture()), "empty", Selection()))
    check.has("nothing", check.text("detail"), "0 B in 0 blocks")
    sites = (site("less", counts=Counts(0, 0, 2, 50)), site("more", counts=Counts(1, 80)))
    check.open("negative", Subject.of(snapshot(picture(*sites)), "negative", Selection()))
    check.has("all of it", check.text("detail"), "30 B in −1 block")
    check.find("more")


def _deep(check: Check) -> None:
    """Far more rows than the window has."""
    names = [f"f{number}" for number in range(400)]
    deep = site("deep", frames=tuple(map(frame, reversed(names))))
    check.open("deep", Subject.of(snapshot(picture(deep)), "deep", Selection()))
    check.page.value("scrollTo(0, 4000)")
    check.page.point(600, 300)
    top = check.page.value("part('graph').getBoundingClientRect().top")
    row = int((300 - top) // 19)
    check.same("a scrolled row", check.text("detail").partition("/")[0], names[row - 1])
    check.show("deep")
    check.page.click(600, 300)
    check.same("the way", check.page.value("part('path').lastChild.textContent"), names[row - 1])
    check.has("a long way", check.text("path"), "› … ›")
    check.page.value("part('canvas').focus()")
    for _ in range(40):
        check.page.key("ArrowDown")
    hidden = check.page.value(
        f"part('graph').getBoundingClientRect().top + {row + 41} * 19"
        " - part('detail').getBoundingClientRect().top"
    )
    check.same("pixels of the chosen row that are out of sight", max(0, hidden), 0)
    check.page.key("f")
    check.show("deep-flame")


def _measured(check: Check, path: str) -> None:
    with collector_paused():
        subject = Subject.of(load(path), path, Selection())
        took = check.open("measured", subject)
    times = {"first paint": took}
    steps = {
        "zoom": "part('canvas').dispatchEvent(new MouseEvent('click', {clientX: 400, "
        "clientY: part('graph').getBoundingClientRect().top + 6 * 19}))",
        "search": "part('search').value = 'odd'; part('search').dispatchEvent(new Event('input'))",
        "measure": "part('measure').value = '1'; part('measure').dispatchEvent(new Event('change'))",
    }
    for name, done in steps.items():
        times[name] = (
            check.page.value(
                f"(async () => {{ const began = performance.now(); {done}; await new Promise((drawn) => "
                "requestAnimationFrame(() => setTimeout(drawn))); return performance.now() - began; })()"
            )
            / 1000
        )
    check.show("measured")
    words = ", ".join(f"{name} {1000 * one:.0f} ms" for name, one in times.items())
    print(f"{path}: {len(subject.sites)} sites: {words}")


if __name__ == "__main__":
    sys.exit(main())

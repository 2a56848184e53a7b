"""The real speedscope in a headless Chromium: the profiles that it shows, and their total weights.

Its application is the npm package speedscope (`npm install --global speedscope`), or a copy of its
folder dist/release in SPEEDSCOPE_APP.
"""

import base64
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from ebpftrace.export.formats.subject import MEASURES
from scripts.formats import chromium
from scripts.formats.checking import Failed, Files, Tool, Totals

BROUGHT_BY = "npm (npm install --global speedscope) and chromium"
# The application saves what it has loaded, in its own format and with its own sums, at Ctrl+S. The
# object is taken and not its text: writing that took longer than a minute for 50,000 stacks.
_LISTEN = """
const encode = JSON.stringify;
JSON.stringify = (saved, ...more) => {
  if (!saved || !saved.profiles) return encode(saved, ...more);
  window.saved = saved.profiles.map(one => [one.name, one.unit, one.endValue]);
  return "";
};
HTMLAnchorElement.prototype.click = () => {};  // no download
window.alert = said => { window.failure = said; };
"""
_LOADED = "document.querySelector('canvas') && document.title !== 'speedscope'"
_SAVE = "dispatchEvent(new KeyboardEvent('keydown', {key: 's', ctrlKey: true, bubbles: true}))"
_FAILED = "document.body.innerText.includes('Something went wrong')"


class Loaded(NamedTuple):
    """What the application says in words, and name, unit and total of each profile."""

    shown: str
    profiles: list[tuple[str, str, int]]


def version() -> str | None:
    """None where it or the browser is not installed."""
    application = _application()
    if application is None or shutil.which(chromium.PROGRAM) is None:
        return None
    release = (application / "release.txt").read_text().split(maxsplit=1)[0]
    return f"{release.removeprefix('speedscope@')}, Chromium {chromium.version()}"


def totals(files: Files) -> Totals:
    """One profile for each measure, in bytes where it counts them, the first one shown."""
    (found,) = loaded([(files["bytes"], "profile.speedscope.json")])
    if len(found.profiles) != len(MEASURES):
        raise Failed(f"it shows {len(found.profiles)} profiles")
    if found.profiles[0][0] not in found.shown:
        raise Failed(f"it shows {found.shown[:200]!r}, not {found.profiles[0][0]!r}")
    for measure, (name, unit, _) in zip(MEASURES, found.profiles, strict=True):
        if unit != ("bytes" if measure.endswith("bytes") else "none"):
            raise Failed(f"{name!r} is in {unit}")
    return {measure: one[2] for measure, one in zip(MEASURES, found.profiles, strict=True)}


def of_collapsed(files: Files) -> Totals:
    """One profile of each file; it takes none that is empty."""
    full = [measure for measure, file in files.items() if file.stat().st_size]
    opened = loaded((files[measure], "stacks.collapsedstack.txt") for measure in full)
    sums = {measure: one.profiles[0][2] for measure, one in zip(full, opened, strict=True)}
    return {measure: sums.get(measure, 0) for measure in files}


def loaded(files: Iterable[tuple[Path, str]]) -> Iterator[Loaded]:
    """What becomes of each file under the name that it is opened by."""
    index = f"{_application()}/index.html"
    with tempfile.TemporaryDirectory() as folder, chromium.Page() as page:
        page.run_first(_LISTEN)
        for number, (file, name) in enumerate(files):
            content = base64.b64encode(file.read_bytes()).decode()
            script = Path(folder, f"{number}.js")
            script.write_text(f"speedscope.loadFileFromBase64({json.dumps(name)}, '{content}')")
            # With another query it is another document.
            page.open(Path(index), f"?{number}#localProfilePath={script.relative_to('/')}")
            page.until(f"window.failure || {_FAILED} || {_LOADED}")
            if not page.value(f"!window.failure && !{_FAILED}"):
                raise Failed(f"it says: {page.value('window.failure || document.body.innerText')}")
            page.value(_SAVE)
            page.until("window.saved")
            if page.complaints:
                raise Failed(f"the browser says: {page.complaints[0]}")
            saved = page.value("window.saved")
            yield Loaded(page.value("document.body.innerText"), [tuple(one) for one in saved])


def _application() -> Path | None:
    named = os.environ.get("SPEEDSCOPE_APP")
    if named is not None:
        return Path(named)
    if shutil.which("npm") is None:
        return None
    root = subprocess.run(["npm", "root", "--global"], capture_output=True, text=True, check=True)
    found = Path(root.stdout.strip(), "speedscope/dist/release")
    return found if found.exists() else None


TOOL = Tool("speedscope", "speedscope", BROUGHT_BY, version, totals)

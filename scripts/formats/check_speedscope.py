"""What the real speedscope makes of an export: the profiles that it shows, and their total weights.

Needs chromium, and the npm package speedscope (`npm install --global speedscope`), or the folder of its
application in SPEEDSCOPE_APP.
"""

import base64
import html
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from ebpftrace.export.formats.subject import MEASURES, measured
from ebpftrace.model.picture import Counts

_TIMEOUT_S = 180
_FLAGS = (
    "--headless",
    "--no-sandbox",  # chromium refuses to be root with one
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--virtual-time-budget=60000",
)
# The application saves what it has loaded, in its own format and with its own sums, at Ctrl+S.
_ASK = """<script>
const leave = found => {
  const left = document.createElement("pre");
  left.id = "found";
  left.textContent = encode(found);
  document.body.appendChild(left);
};
addEventListener("error", event => leave({error: String(event.message)}));
// The object and not its text: of 50,000 stacks none came within the time.
const encode = JSON.stringify;
JSON.stringify = (saved, ...more) => {
  if (!saved || !saved.profiles) return encode(saved, ...more);
  leave({
    title: document.title,
    shown: document.body.innerText,
    profiles: saved.profiles.map(one => [one.name, one.unit, one.endValue]),
  });
  return "";
};
HTMLAnchorElement.prototype.click = () => {};  // no download
const wait = setInterval(() => {
  if (!document.querySelector("canvas") || document.title === "speedscope") return;
  clearInterval(wait);
  dispatchEvent(new KeyboardEvent("keydown", {key: "s", ctrlKey: true, bubbles: true}));
}, 200);
</script>"""
_FOUND = re.compile(r'<pre id="found">(.*?)</pre>', re.DOTALL)


class Loaded(NamedTuple):
    """The title of the window, what the application says in words, and each profile's total."""

    title: str
    shown: str
    profiles: list[tuple[str, str, int]]


def check(exported: Path, expected: Counts) -> list[str]:
    """What is not as it should be: one profile for each measure, with the total of `expected`."""
    found = loaded(exported)
    if len(found.profiles) != len(MEASURES):
        return [f"speedscope shows {len(found.profiles)} profiles"]
    faults = []
    for measure, (name, unit, total) in zip(MEASURES, found.profiles, strict=True):
        wanted = measured(expected, measure), "bytes" if "bytes" in measure else "none"
        if (total, unit) != wanted:
            faults.append(f"speedscope shows {total} {unit} of {measure} ({name}), not {wanted}")
    if found.profiles[0][0] not in found.shown:
        faults.append(f"speedscope shows {found.shown!r}, not {found.profiles[0][0]!r}")
    return faults


def loaded(exported: Path) -> Loaded:
    """What the application has loaded. RuntimeError where it says that it cannot."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "app")
        shutil.copytree(_application(), page)
        index = page / "index.html"
        index.write_text(index.read_text().replace("<head>", f"<head>{_ASK}", 1))
        content = base64.b64encode(exported.read_bytes()).decode()
        profile = Path(folder, "profile.js")
        name = json.dumps(exported.name)
        profile.write_text(f"speedscope.loadFileFromBase64({name}, '{content}')")
        address = f"file://{index}#localProfilePath={profile.relative_to('/')}"
        run = subprocess.run(
            ["chromium", *_FLAGS, f"--user-data-dir={folder}/user", "--dump-dom", address],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=True,
        )
    found = _FOUND.search(run.stdout)
    said = {"error": "nothing was loaded"} if found is None else json.loads(html.unescape(found[1]))
    if "error" in said:
        raise RuntimeError(f"speedscope: {exported}: {said['error']}")
    return Loaded(said["title"], said["shown"], [tuple(one) for one in said["profiles"]])


def _application() -> Path:
    named = os.environ.get("SPEEDSCOPE_APP")
    if named is not None:
        return Path(named)
    root = subprocess.run(["npm", "root", "--global"], capture_output=True, text=True, check=True)
    return Path(root.stdout.strip(), "speedscope/dist/release")


if __name__ == "__main__":
    print(loaded(Path(sys.argv[1])))

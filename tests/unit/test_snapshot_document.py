"""docs/snapshot-format.md says all that is written, and its example works."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgpack
import pytest
import zstandard

from ebpftrace.model.snapshot import Trigger
from ebpftrace.snapshot.format.framing import MARKER
from ebpftrace.snapshot.format.sections import _KNOWN
from ebpftrace.snapshot.format.writing import StreamWriter
from tests.unit.builders import site
from tests.unit.written_builders import full, packed, parts, snapshot

DOCUMENT = Path(__file__).parents[2] / "docs" / "snapshot-format.md"
TEXT = DOCUMENT.read_text()
BY_NAME = {"losses", "limits", "status", "rollup", "figures", "map_fill_percent"}
"""Maps whose keys are the kernel's, or counted elsewhere."""

ABOUT = dict(re.findall(r"^### `(\w+)`\n(.*?)(?=^##)", TEXT + "\n## ", re.MULTILINE | re.DOTALL))


def stream_records():
    writer = StreamWriter()
    writer.start()
    for given in (snapshot(), snapshot(site("f"), site("new"))):
        (record,) = parts(writer.record(given))
        yield from parts(record[4])


def keys_of(value):
    """Those of maps in it."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield key
            if key not in BY_NAME:
                yield from keys_of(one)
    elif isinstance(value, list):
        for one in value:
            yield from keys_of(one)


WRITTEN = {
    name: set(keys_of(msgpack.unpackb(zstandard.decompress(frame))))
    for name, _, _, frame in [*stream_records(), *parts(packed(full()))[1:]]
}


def test_the_document_has_the_sections_that_are_written():
    assert set(ABOUT) == set(WRITTEN) == _KNOWN


@pytest.mark.parametrize("name", sorted(WRITTEN))
def test_the_document_has_every_key_of_a_section(name):
    named = set(re.findall(r"`(\w+)`", ABOUT[name]))
    if name == "facts":
        named |= set(re.findall(r"`(\w+)`", ABOUT["sites"]))
    assert WRITTEN[name] <= named


def test_the_document_has_every_key_of_a_head():
    heads = {*parts(packed(snapshot()))[0], *parts(StreamWriter().start())[0]}
    table = TEXT.partition("The head:")[2].partition("The checksum")[0]
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == heads
    words = re.sub(r" \(.*?\)", "", (Trigger.__doc__ or "").partition("Words: ")[2])
    assert {f"`{word}`" for word in re.findall(r"\w+", words)} <= set(re.findall(r"`\w+`", table))


def test_the_document_has_the_marker():
    groups = MARKER.hex(" ", 4)
    assert f"`{groups}`" in TEXT


def test_the_example_reads_a_snapshot(tmp_path):
    (example,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    path = tmp_path / "snapshot"
    path.write_bytes(packed(replace(full(), notes=("ünicode",))))
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", example, str(path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == [
        "0x401234 f",
        "0x401234 g",
        "0x401234 main",
        "0x401234 i",
    ]

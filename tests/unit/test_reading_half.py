"""The reading half runs where nothing of the capture half is installed; import-linter holds the
same rule for the text of the imports, this for what really happens at run time."""

import json
import subprocess
import sys

import pytest

from ebpftrace.export.formats.registry import FORMATS
from ebpftrace.snapshot.format.writing import pieces
from tests.unit.snapshot_builders import snapshot

CAPTURE_LIBRARIES = {"bcc", "capstone", "drgn", "elftools"}
SCREEN_LIBRARIES = {"rich", "textual"}

IMPORT_ALL_OF = """
import importlib, json, pkgutil, sys
package = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    importlib.import_module(module.name)
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


WITHOUT_LIBRARIES = """
import json, sys

class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in json.loads(sys.argv[1]):
            raise ModuleNotFoundError("refused", name=name)

sys.meta_path.insert(0, Refused())
from ebpftrace.cli.main import main

statuses = [main(arguments) for arguments in json.loads(sys.argv[2])]
ours = {name.split(".")[1] for name in sys.modules if name.startswith("ebpftrace.")}
print(json.dumps([statuses, sorted(ours)]))
"""

CAPTURE_HALF = {"target", "host", "probes", "symbols", "unwind", "kernel", "drain", "session"}


def libraries_of(package):
    run = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL_OF, package],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return set(json.loads(run.stdout))


@pytest.mark.parametrize(
    "package",
    ["ebpftrace.model", "ebpftrace.analysis", "ebpftrace.snapshot", "ebpftrace.export"],
)
def test_importing_the_reading_half_loads_no_library_of_the_capture_half(package):
    assert libraries_of(package).isdisjoint(CAPTURE_LIBRARIES | SCREEN_LIBRARIES)


def test_the_dashboard_loads_textual_and_no_library_of_the_capture_half():
    loaded = libraries_of("ebpftrace.tui")
    assert loaded >= SCREEN_LIBRARIES
    assert loaded.isdisjoint(CAPTURE_LIBRARIES)


@pytest.mark.parametrize("package", ["ebpftrace.cli", "ebpftrace.recorder", "ebpftrace.session"])
def test_no_path_without_a_dashboard_loads_textual(package):
    assert libraries_of(package).isdisjoint(SCREEN_LIBRARIES)


@pytest.mark.parametrize(
    "package", ["ebpftrace.cli", "ebpftrace.recorder", "ebpftrace.session", "ebpftrace.doctor"]
)
def test_drgn_is_loaded_in_the_confined_process_only(package):
    assert "drgn" not in libraries_of(package)


def test_what_was_recorded_is_read_where_no_library_of_the_capture_half_is(tmp_path):
    kept = tmp_path / "kept"
    kept.write_bytes(b"".join(pieces(snapshot())))
    commands = [
        ["report", str(kept)],
        ["diff", str(kept), str(kept)],
        ["open", "--text", str(kept)],
        ["open", "--json", str(kept)],
        *(["export", str(kept), "-f", one.name, "-o", str(tmp_path / one.name)] for one in FORMATS),
    ]
    refused = json.dumps(sorted(CAPTURE_LIBRARIES | SCREEN_LIBRARIES))
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_LIBRARIES, refused, json.dumps(commands)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0
    assert all(line.startswith("ebpftrace: wrote ") for line in run.stderr.splitlines())
    statuses, packages = json.loads(run.stdout.splitlines()[-1])
    assert statuses == [0] * len(commands)
    assert CAPTURE_HALF.isdisjoint(packages)


def test_the_recorder_which_every_command_imports_a_part_of_loads_no_library_of_the_capture_half():
    assert libraries_of("ebpftrace.recorder").isdisjoint(CAPTURE_LIBRARIES)

"""The reading half runs where nothing of the capture half is installed; import-linter holds the
same rule for the text of the imports, this for what really happens at run time."""

import json
import subprocess
import sys

import pytest

CAPTURE_LIBRARIES = {"bcc", "capstone", "drgn", "elftools"}
SCREEN_LIBRARIES = {"rich", "textual"}

IMPORT_ALL_OF = """
import importlib, json, pkgutil, sys
package = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    importlib.import_module(module.name)
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


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


@pytest.mark.parametrize("package", ["ebpftrace.cli", "ebpftrace.session"])
def test_no_path_without_a_dashboard_loads_textual(package):
    assert libraries_of(package).isdisjoint(SCREEN_LIBRARIES)


@pytest.mark.parametrize("package", ["ebpftrace.cli", "ebpftrace.session", "ebpftrace.doctor"])
def test_drgn_is_loaded_in_the_confined_process_only(package):
    assert "drgn" not in libraries_of(package)

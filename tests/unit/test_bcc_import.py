"""BCC is found by any Python, says nothing, and leaves nothing behind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ebpftrace.errors import HostRefuses
from ebpftrace.kernel import bccapi
from scripts.releasing.pythons import pythons

ROOT = Path(__file__).resolve().parents[2]
CHECK = """
import sys
before = list(sys.path), sys.dont_write_bytecode
from ebpftrace.kernel.bccapi import bcc
module = bcc()
assert module.BPF and module.libbcc.lib
assert (sys.path, sys.dont_write_bytecode) == before
print(module.__file__)
"""


# That of .venv is often the distribution's.
PYTHONS = sorted({sys.executable, *(python.executable for python in pythons())})


def test_there_is_a_python_to_try():
    assert sys.executable in PYTHONS


@pytest.mark.parametrize("python", PYTHONS)
def test_bcc_is_imported_by_each_python_with_warnings_as_errors(python):
    ran = subprocess.run(
        [python, "-W", "error", "-c", CHECK],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""


def test_a_package_that_is_called_bcc_but_is_another_is_not_taken(tmp_path):
    other = tmp_path / "bcc"
    other.mkdir()
    (other / "__init__.py").write_text("raise SystemExit('the wrong bcc')")
    ran = subprocess.run(
        [sys.executable, "-c", CHECK],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert str(tmp_path) not in ran.stdout


def test_where_only_another_package_is_called_bcc_it_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(bccapi, "_SYSTEM_FOLDERS", ())
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    (tmp_path / "bcc").mkdir()
    with pytest.raises(HostRefuses, match=r"^The Python module bcc was not found\. Install BCC"):
        bccapi._find()
    (tmp_path / "bcc/__init__.py").write_text("")
    with pytest.raises(
        HostRefuses, match=rf"{tmp_path}/bcc is another library of that name\. Install"
    ):
        bccapi._find()
    assert bccapi.found() is None

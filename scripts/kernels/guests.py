"""What a guest is told to do: the command line of run-in-kernel, by the machine of its kernel."""

import re
import shlex
import subprocess
from pathlib import Path

_TIMEOUT_S, _MEMORY = 3600, "3G"
_BUILT_FOR_ARM64 = "/opt/workloads/build"  # of its root, see cross-workloads
# Emulated processors are up to 25 times slower. A skip would hide what this is run for.
_TESTS = """
export EBPFTRACE_REQUIRE_KERNEL=1 EBPFTRACE_TIME_SCALE=20 EBPFTRACE_BUILT_WORKLOADS={built}
kernel_tests() {{
    {python} -m pytest -p no:cacheprovider -o timeout=900 {files} "$@"
}}
kernel_tests -n 2 --dist worksteal -m {beside} || status=1
kernel_tests -m {alone} || status=1
"""


def is_arm64(kernel: str) -> bool:
    return kernel.endswith("-arm64")


def marks(kernel: str, *, every: bool) -> str:
    """Of the tests to run, as pytest's -m takes them."""
    if is_arm64(kernel):
        return "elsewhere"
    return "(oldkernel or everykernel)" if every else "oldkernel"


def build_workloads(kernel: str) -> None:
    """The test programs that it will run. CalledProcessError."""
    if not is_arm64(kernel):
        subprocess.run(["make", "--silent", "-j2", "-C", "tests/workloads"], check=True)
        return
    made = subprocess.run(
        ["scripts/in-kernel/make-root", "bookworm-arm64"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    built = ["scripts/in-kernel/cross-workloads", made.stdout.strip()]
    subprocess.run(built, check=True, stdout=subprocess.DEVNULL)


def command(kernel: str, mark: str, tests: str | None) -> list[str]:
    """It says a line of `mark` and what `doctor --json` says; `tests`: the marks of those that it runs."""
    python = "python3" if is_arm64(kernel) else ".venv/bin/python"
    script = f"status=0; printf %s {shlex.quote(mark)}; {python} -m ebpftrace doctor --json\n"
    if tests is not None:
        script += _TESTS.format(
            python=python,
            built=_BUILT_FOR_ARM64 if is_arm64(kernel) else "",
            files=shlex.join(_files(tests)),
            beside=shlex.quote(f"{tests} and not alone"),
            alone=shlex.quote(f"{tests} and alone"),
        )
    script += "exit $status"
    options = ["--timeout", str(_TIMEOUT_S), "--memory", _MEMORY]
    return ["scripts/run-in-kernel", *options, kernel, script]


def _files(tests: str) -> list[str]:
    """Those that have one of these marks: to collect all of them takes a guest a minute."""
    words = re.findall(r"\w*kernel|elsewhere", tests)
    wanted = re.compile(rf"pytest\.mark\.({'|'.join(words)})\b")
    found = sorted(Path("tests/kernel").glob("test_*.py"))
    return [str(path) for path in found if wanted.search(path.read_text())]

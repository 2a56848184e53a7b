"""What `doctor` found, as a table and as JSON (schema `ebpftrace.doctor/1`)."""

import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ebpftrace import __version__
from ebpftrace.doctor.features import Feature
from ebpftrace.doctor.target_checks import TargetReport
from ebpftrace.host import release
from ebpftrace.host.check import Check

SCHEMA = "ebpftrace.doctor/1"
_SIGNS = {"ok": "ok", "note": "note", "failed": "FAILED"}


@dataclass(frozen=True, slots=True)
class Report:
    """The checks of the host, one report a process that was asked about, the kernel's features."""

    checks: tuple[Check, ...]
    targets: tuple[TargetReport, ...] = ()
    features: tuple[Feature, ...] = ()

    @property
    def host_ok(self) -> bool:
        """Did no check of the host fail?"""
        return all(check.verdict != "failed" for check in self.checks)

    @property
    def ok(self) -> bool:
        """Did no check fail at all?"""
        return self.host_ok and all(target.suitable for target in self.targets)

    def conclusion(self) -> str:
        """One sentence."""
        if not self.host_ok:
            return f"attach cannot work here: {_first_failure(self.checks)}"
        unsuitable = [target for target in self.targets if not target.suitable]
        if not unsuitable:
            return "attach will work here."
        first = unsuitable[0]
        return (
            f"attach will work here, but not on process {first.pid}: {_first_failure(first.checks)}"
        )

    def versions(self) -> dict[str, str]:
        """What a bug report is first asked for."""
        found = {check.name: check.found for check in self.checks if check.verdict == "ok"}
        kernel = os.uname()
        return {
            "ebpftrace": __version__,
            "python": platform.python_version(),
            "kernel": f"{kernel.release} {kernel.version} {kernel.machine}",
            "distribution": release.distribution(),
            "bcc": found.get("BCC", "unknown"),
            "clang": found.get("clang", "unknown"),
        }

    def lines(self) -> list[str]:
        """The table, the fixes below what they fix, the conclusion."""
        out = list(_table(self.checks))
        for target in self.targets:
            out += ["", f"process {target.pid}", *_table(target.checks)]
        return [*out, "", self.conclusion()]

    def as_object(self) -> dict[str, Any]:
        """The same as JSON types."""
        return {
            "schema": SCHEMA,
            "ok": self.ok,
            "conclusion": self.conclusion(),
            "versions": self.versions(),
            "checks": [asdict(check) for check in self.checks],
            "features": [feature.as_object() for feature in self.features],
            "targets": [
                {
                    "pid": target.pid,
                    "comm": target.comm,
                    "exe": target.exe,
                    "allocators": list(target.allocators),
                    "suitable": target.suitable,
                    "checks": [asdict(check) for check in target.checks],
                    "plan": list(target.plan),
                }
                for target in self.targets
            ],
        }


def _first_failure(checks: Sequence[Check]) -> str:
    return next(check.found for check in checks if check.verdict == "failed")


def _table(checks: Sequence[Check]) -> Iterator[str]:
    width = max(len(check.name) for check in checks)
    shown = ""
    for check in checks:
        yield f"{_SIGNS[check.verdict]:<6}  {check.name:<{width}}  {check.found}"
        if check.fix:
            same = check.fix == shown
            yield f"{'':<6}  {'':<{width}}    fix: {'the same' if same else check.fix}"
            shown = check.fix

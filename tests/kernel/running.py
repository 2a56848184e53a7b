"""Runs of `ebpftrace run --json`, and what tests/workloads/starts.c holds in them."""

import contextlib
import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.kernel import harness
from tests.kernel.harness import LEAVE_LIMIT, START_LIMIT, JsonTool, Tool, workload
from tests.kernel.pictures import Picture

# What the constructors of `starts` and of its library take, and main keeps: blocks, bytes.
IN_CONSTRUCTOR, IN_LIBRARY, IN_PRELOADED, KEPT = (3, 300), (5, 1000), (7, 2100), (10, 640)
DROPPED = (20, 640)
HELD = (18, 1940)
IN_THREAD = (1, 24)

FACTS = ("nested", "nested_free", "shared_vm_child")


@dataclass(frozen=True)
class Watched:
    """A run that is over: its last picture, and the line of schema `ebpftrace.exit/1` behind it."""

    status: int
    stderr: str
    final: Picture
    exit: dict[str, Any]

    @property
    def lost(self) -> dict[str, int]:
        """What makes a count or a stack less than it is, and frees of what is unknown."""
        losses = self.final.raw["losses"].items()
        return {name: n for name, n in losses if n and name not in FACTS}

    @property
    def programs(self) -> list[tuple[str, tuple[int, int]]]:
        """Each by its name, with the blocks and bytes that it held at its end, the last one last."""
        return [(one["comm"], held(one["counts"])) for one in (*self.exit["before"], self.exit)]


def held(counts: dict[str, int]) -> tuple[int, int]:
    return counts["blocks"], counts["bytes"]


class Run(JsonTool):
    """One run. The program writes to stderr, for stdout is that of the pictures.

    In a session of its own, so that it is nobody's foreground: what is sent to it is handed on.
    """

    def __init__(self, *command: object, options: tuple[object, ...] = (), **settings: Any) -> None:
        words = ("--json", *options, "--", *command)
        super().__init__("run", (), words, **{"start_new_session": True, **settings})
        harness.recent.append(self)

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(LEAVE_LIMIT)
        with contextlib.suppress(ProcessLookupError):  # the program, if the tool has left it
            os.killpg(self.pid, signal.SIGKILL)
        super().close()

    def expect(self, word: str) -> None:
        """Read what is said on stderr, up to the line `word`."""
        end = time.monotonic() + START_LIMIT
        while True:
            line = self.narration.next(max(end - time.monotonic(), 0), f"{word!r}")
            assert line is not None, f"ended before it said {word!r}: {self.said}"
            self.said.append(line)
            if line == word:
                return

    def programs(self) -> list[int]:
        """The children of the tool that are another program than it."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        own = os.readlink(f"/proc/{self.pid}/exe")
        return [int(pid) for pid in children if os.readlink(f"/proc/{pid}/exe") != own]

    def ended(self) -> Watched:
        """Waits for its end; every line of stdout is JSON."""
        lines = []
        while (line := self.out.next(LEAVE_LIMIT, "end")) is not None:
            lines.append(line)
        status = self.wait(LEAVE_LIMIT)
        stderr = self.stderr()
        assert len(lines) >= 2, f"status {status}: {stderr}"
        self.last = Picture.parse(lines[-2])
        assert self.last.final
        said = json.loads(lines[-1])
        assert said["schema"] == "ebpftrace.exit/1"
        assert all(json.loads(line)["schema"] == "ebpftrace.picture/1" for line in lines[:-1])
        return Watched(status, stderr, self.last, said)


def run(*command: object, options: tuple[object, ...] = (), **settings: Any) -> Watched:
    """From start to end."""
    with Run(*command, options=options, **settings) as running:
        return running.ended()


def refused(*words: object) -> tuple[int, str]:
    """Of a run that has no picture, `words` being all of its options and its command: status, stderr."""
    tool = Tool("run", (), words, start_new_session=True)
    try:
        status = tool.wait(START_LIMIT + LEAVE_LIMIT)
        assert tool.out.next(1, "end of stdout") is None
        return status, tool.stderr()
    finally:
        tool.close()


def starts(name: str = "starts") -> Path:
    return workload(name)

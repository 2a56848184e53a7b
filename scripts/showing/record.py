"""Record the made-up shop: scripts/record-shop. No path or number of this machine is left in it."""

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ebpftrace.errors import UsageError
from scripts.bench.command import run

_FOLDER = Path("tests/recordings")
_SOURCE = _FOLDER / "shop.cpp"
_THERE = "/srv/shop"
_SOURCE_THERE = f"{_THERE}/src/shop.cpp"
_PID = 4242
Picture = dict[str, Any]
_FLAGS = ("-std=c++17", "-g", "-O2", "-Wall", "-Wextra", "-Werror")


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/record-shop", description=__doc__)
    parser.add_argument("--seconds", type=int, default=75)
    parser.add_argument("--every", type=int, default=3, help="keep every N-th picture (3)")
    parser.add_argument("--sites", type=int, default=16, help="keep so many sites (16)")
    parser.add_argument("--output", type=Path, default=_FOLDER / "shop.jsonl.gz")
    given = parser.parse_args()
    if os.geteuid() != 0:
        raise UsageError("Attaching to a process needs root: run sudo scripts/record-shop.")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shop = _compiled(folder)
        taken = [json.loads(line) for line in _recorded(shop, given.seconds)]
    *others, final = taken
    kept = [*others[:: given.every], final]
    _leave_out(kept, _worth_keeping(taken, given.sites))
    _quote(kept)
    text = "".join(_moved(picture, name) for picture in kept)
    # Nothing but the pictures decides the bytes.
    given.output.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    print(f"{given.output}: {len(kept)} pictures, {given.output.stat().st_size} bytes")
    return 0


def _compiled(folder: Path) -> Path:
    program = folder / "shop"
    here = f"-ffile-prefix-map={_FOLDER}={_THERE}/src"
    subprocess.run(["g++", *_FLAGS, here, "-o", program, _SOURCE], check=True)
    return program


def _recorded(program: Path, seconds: int) -> Iterator[str]:
    pipe = subprocess.PIPE
    with subprocess.Popen([program], stdin=pipe, stdout=pipe) as shop:
        assert shop.stdin is not None
        assert shop.stdout is not None
        try:
            shop.stdout.readline()
            yield from _watched(shop.pid, seconds, shop.stdin.close)
        finally:
            shop.kill()


def _watched(pid: int, seconds: int, armed: Callable[[], None]) -> Iterator[str]:
    command = [
        "attach",
        "--mode",
        "full",
        "-p",
        str(pid),
        "--json",
        "--interval",
        "1",
        "--duration",
        str(seconds),
    ]
    command = [sys.executable, "-m", "ebpftrace", *command]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as tool:
        assert tool.stdout is not None
        for number, line in enumerate(tool.stdout):
            if number == 0:
                armed()  # the first picture says that the probes are in place
            yield line
    if tool.returncode:
        raise UsageError(f"ebpftrace attach ended with {tool.returncode}; what it said is above.")


def _worth_keeping(pictures: list[Picture], most: int) -> set[str]:
    """Ids: three quarters are of sites that held the most at any time, the rest of the busiest."""
    held: dict[str, int] = {}
    made: dict[str, int] = {}
    for picture in pictures:
        for site in picture["sites"]:
            held[site["id"]] = max(held.get(site["id"], 0), site["bytes"])
            made[site["id"]] = site["allocated_blocks"]
    largest = sorted(held, key=held.__getitem__, reverse=True)[: most * 3 // 4]
    busiest = sorted(made.keys() - set(largest), key=made.__getitem__, reverse=True)
    return {*largest, *busiest[: most - len(largest)]}


def _leave_out(pictures: list[Picture], kept: set[str]) -> None:
    """Count all other sites as those below --top are."""
    for picture in pictures:
        for site in picture["sites"]:
            if site["id"] not in kept:
                picture["others"]["sites"] += 1
                for key in ("blocks", "bytes"):
                    picture["others"][key] += site[key]
        picture["sites"] = [site for site in picture["sites"] if site["id"] in kept]


def _quote(pictures: list[Picture]) -> None:
    """Give frames the lines of the program, which the tool looked for where they are not."""
    lines = _SOURCE.read_text().splitlines()
    for picture in pictures:
        for site in picture["sites"]:
            for frame in site["frames"]:
                if frame["file"] == _SOURCE_THERE and frame["line"]:
                    frame["source"] = lines[frame["line"] - 1].strip()


def _moved(picture: Picture, folder: str) -> str:
    """A line with the program where nobody's machine has one."""

    def moved(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: _PID if k == "pid" else moved(v) for k, v in value.items()}
        if isinstance(value, list):
            return [moved(one) for one in value]
        return value.replace(folder, f"{_THERE}/bin") if isinstance(value, str) else value

    return json.dumps(moved(picture), ensure_ascii=False, separators=(",", ":")) + "\n"


if __name__ == "__main__":
    run("record-shop", main)

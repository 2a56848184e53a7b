"""Names that a JIT writes to /tmp/perf-PID.map: which are shown, and which file is not believed.

The known answers are in the header comment of tests/workloads/jit.c; the map is written here.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.kernel.golden import code_map
from tests.kernel.harness import Tracer, Workload
from tests.kernel.pictures import Picture

pytestmark = pytest.mark.usefixtures("own_cache")

NOBODY = 65534
FRAMELESS = 2048  # where the code of phase 2 begins


@contextmanager
def jit() -> Iterator[tuple[Workload, Path]]:
    """The program, and the path of its map, where nothing is yet."""
    with Workload("jit") as target:
        path = Path(f"/tmp/perf-{target.pid}.map")
        try:
            yield target, path
        finally:
            path.unlink(missing_ok=True)


def innermost(picture: Picture, caller: str) -> str | None:
    (name,) = {s.frames[0]["function"] for s in picture.sites_in(caller)}
    return None if name is None else str(name)


def test_code_is_named_by_the_map_and_by_what_is_appended_to_it():
    with jit() as (target, path):
        path.write_text(code_map(target.pid, "Main.framed(int) [tier 1]", 0, FRAMELESS))
        with Tracer(target, options=("--top", 0)) as tracer:
            target.phases()
            first = tracer.until(lambda p: p.sites_in("call_framed"))
            assert innermost(first, "call_framed") == "Main.framed(int) [tier 1]"
            target.phases()
            tracer.settled()
            with path.open("a") as file:
                file.write(code_map(target.pid, "Main.frameless(int)", FRAMELESS, FRAMELESS))
            tracer.until(lambda p: p.sites_in("Main.frameless(int)"))
            final = tracer.finish().final
    assert final.held == (1100, 100 * 32 + 1000 * 48)
    assert innermost(final, "call_framed") == "Main.framed(int) [tier 1]"
    frameless = final.sites_in("Main.frameless(int)")
    assert sum(site.held[0] for site in frameless) == 1000
    frame = final.site("call_framed").frames[0]
    assert (frame["module"], frame["file"], frame["inlined"]) == ("[JIT]", None, False)


def owned_by_another(path: Path, text: str) -> None:
    path.write_text(text)
    os.chown(path, NOBODY, NOBODY)


def writable_by_all(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o666)


def a_link(path: Path, text: str) -> None:
    elsewhere = path.with_suffix(".elsewhere")
    elsewhere.write_text(text)
    path.symlink_to(elsewhere)


def a_second_name(path: Path, text: str) -> None:
    elsewhere = path.with_suffix(".elsewhere")
    elsewhere.write_text(text)
    path.hardlink_to(elsewhere)


def a_fifo(path: Path, _: str) -> None:
    os.mkfifo(path)


MAKERS = (owned_by_another, writable_by_all, a_link, a_second_name, a_fifo)


def test_maps_that_somebody_else_could_have_made_name_nothing():
    with ExitStack() as opened:
        targets = []
        for make in MAKERS:
            target, path = opened.enter_context(jit())
            opened.callback(path.with_suffix(".elsewhere").unlink, missing_ok=True)
            make(path, code_map(target.pid, "not_believed"))
            targets.append(target)
        tracer = opened.enter_context(Tracer(*targets, options=("--top", 0)))
        for target in targets:
            target.phases()
        tracer.settled()
        ended = tracer.finish()
    assert innermost(ended.final, "call_framed") is None
    held = {site.raw["pid"]: site.held for site in ended.final.sites_in("call_framed")}
    assert held == {target.pid: (100, 3200) for target in targets}
    assert ended.status == 0

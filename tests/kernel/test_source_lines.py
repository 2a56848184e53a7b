"""The source around a call, as a live view asks for it: what is in the file that the frame names."""

import pytest

from ebpftrace.model.frames import Frame
from ebpftrace.model.picture import Picture, Site
from ebpftrace.session.session import Session
from tests.kernel.harness import WORKLOADS, Workload, wait_until
from tests.kernel.test_session import settled, watching

# The compiler runs in a fork of a process that has the harness's reader threads.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.usefixtures("own_cache"),
]
GOLDEN = WORKLOADS / "golden.c"


def lined(session: Session) -> Picture:
    wait_until(lambda: not settled(session).naming.pending, "the lines", 30)
    return settled(session)


def frames_of(picture: Picture) -> list[tuple[Site, Frame]]:
    return [
        (site, frame)
        for site in picture.sites
        for frame in site.at.frames
        if frame.file == str(GOLDEN)
    ]


def test_the_line_in_the_middle_is_that_of_the_frame_and_the_file_opens_here() -> None:
    text = GOLDEN.read_text().expandtabs(4).splitlines()
    with Workload("golden") as target, watching(target) as session:
        target.phases()
        frames = frames_of(lined(session))
        assert len({frame.line for _, frame in frames}) > 6
        for site, frame in frames:
            assert frame.line is not None
            found = session.source(site, frame, 2)
            assert found is not None
            assert found.lines[frame.line - found.first].strip() == frame.source
            assert found.lines == tuple(text[frame.line - 3 : frame.line + 2])
            assert found.here == found.path == str(GOLDEN)
        site, frame = frames[0]
        whole = session.source(site, frame, 10**9)
        assert whole is not None
        assert whole.lines == tuple(text)
        nowhere = Frame(None, None, None, None, False, None, None, None, 1)
        assert session.source(site, nowhere, 2) is None
        target.leave()
        wait_until(lambda: session.latest().targets[0].ended is not None, "the end")
        assert session.source(site, frame, 10**9) == whole
    assert session.source(site, frame, 2) is None


def test_without_debug_information_nothing_is_read() -> None:
    with Workload("golden") as target, watching(target, dwarf=False) as session:
        target.phases()
        site = settled(session).sites[0]
        said = Frame(None, str(GOLDEN), 3, None, False, None, None, None, 1)
        assert session.source(site, said, 2) is None

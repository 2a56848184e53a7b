"""The dashboard as an engineer on call uses it: typed into on a real terminal, beside real leaks."""

import re
import stat
import time

import pytest

from ebpftrace.snapshot.loading import load
from tests.kernel.harness import Workload, probed_text
from tests.kernel.terminal import Terminal, dashboard, names


@pytest.fixture
def server():
    with Workload("leaking_server", "--wait") as workload:
        yield workload


@pytest.fixture
def shown(tmp_path, server):
    """A dashboard on a server that has leaked once."""
    with dashboard(tmp_path, server) as terminal:
        terminal.until(lambda screen: "no allocation since the attach" in screen)
        server.phases()
        terminal.until(lambda screen: "tracked  1.5 MiB in 2 184 blocks" in screen)
        # Rules may come after the first stacks, which become others by them: new ones for a mark.
        terminal.until(lambda screen: "lost nothing" in screen and len(names(screen)) == 3)
        yield terminal


def leave(terminal: Terminal) -> None:
    terminal.press("q")
    assert terminal.ended() == 0


def test_every_view_shows_the_same_leaks(shown):
    for key, phrases in {
        "2": ["FUNCTIONS", "session_create [leaking_server]", "1 site"],
        "3": ["MODULES", "leaking_server", "100.0%"],
        "4": ["PROCESSES", "leaking_server (pid"],
        "5": ["ALLOCATORS", "malloc (glibc)"],
        "6": ["CALLS", "handle_request leaking_server.c"],
        "7": ["CALLERS", "cache_insert leaking_server.c:77", "render_page"],
        "8": ["serve", "session_create", "all"],
        "1": ["SITE", "session_create leaking_server.c:47"],
    }.items():
        shown.press(key)
        shown.until(lambda screen, wanted=phrases: all(words in screen for words in wanted))
    leave(shown)


def test_a_filter_narrows_as_it_is_typed_and_escape_widens_again(shown):
    shown.press("/", "c", "a", "c", "h", "e")
    shown.until(lambda screen: names(screen) == ["cache_insert"])
    shown.press("Enter")
    shown.press("Escape")
    shown.until(lambda screen: len(names(screen)) == 3)
    leave(shown)


def test_only_growth_since_a_mark_is_shown(shown, server):
    shown.press("m", "Enter")
    shown.until(lambda screen: "grown since mark 1" in screen and not names(screen))
    server.phases()
    # 1 000 sessions and 160 log lines more; the cache holds what it held.
    screen = shown.until(lambda screen: "session_create" in screen)
    screen = shown.until(lambda screen: re.search(r"500 KiB.* 1 000 .*session_create", screen))
    assert "cache_insert" not in " ".join(names(screen))
    shown.press("Escape")
    shown.until(lambda screen: len(names(screen)) == 3)
    leave(shown)


def test_a_paused_picture_stays_while_tracing_goes_on(shown, server):
    shown.press("p")
    shown.until(lambda screen: "PAUSED" in screen)
    server.phases()
    time.sleep(1.0)
    assert "tracked  1.5 MiB in 2 184 blocks" in shown.screen()
    shown.press("p")
    shown.until(lambda screen: "tracked  2.0 MiB in 3 344 blocks" in screen)
    leave(shown)


def test_a_site_opens_over_the_whole_screen_with_source_ages_sizes_and_last_blocks(shown):
    shown.press("Enter")
    shown.until(lambda screen: "TREND" not in screen and "*slot = malloc(1024);" in screen)
    shown.resize(100, 70)
    for phrase in ("Held by age", "1-2 KiB", "1 024 blocks", "Last blocks", "THREAD"):
        shown.until(lambda screen, wanted=phrase: wanted in screen)
    shown.press("Escape")
    shown.until(lambda screen: len(names(screen)) == 3)
    leave(shown)


def test_the_source_opens_in_the_editor_and_the_dashboard_comes_back(tmp_path, server):
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\necho "editing $@"\nread answer\n')
    editor.chmod(0o755)
    with dashboard(tmp_path, server, EDITOR=str(editor)) as terminal:
        terminal.until(lambda screen: "no allocation since the attach" in screen)
        server.phases()
        terminal.until(lambda screen: "cache_insert leaking_server.c:77" in screen)
        terminal.press("e")
        screen = terminal.until(lambda screen: "editing" in screen)
        assert re.search(r"editing \+77 .*/leaking_server\.c", screen.replace("\n", ""))
        terminal.press("Enter")
        terminal.until(lambda screen: len(names(screen)) == 3)
        leave(terminal)
    assert probed_text(server.pid) == []


def test_a_saved_picture_is_a_snapshot_with_every_site_and_the_process(tmp_path, server):
    folder = tmp_path / "incident"
    folder.mkdir()
    with dashboard(tmp_path, server, cwd=folder) as terminal:
        terminal.until(lambda screen: "no allocation since the attach" in screen)
        server.phases()
        terminal.until(lambda screen: "tracked  1.5 MiB in 2 184 blocks" in screen)
        terminal.press("s")
        terminal.until(lambda screen: "saved to" in screen)
        leave(terminal)
    (file,) = folder.iterdir()
    saved = load(str(file))
    assert saved.picture.totals.blocks == 2184
    assert sum(site.counts.blocks for site in saved.picture.sites) == 2184
    assert [process.pid for process in saved.processes] == [server.pid]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_terminal_that_changes_its_size_all_the_time_is_drawn_right_in_the_end(shown):
    for step in range(100):
        shown.resize(20 + step % 90, 5 + step % 40)
        time.sleep(0.01)
    shown.resize(100, 30)
    shown.until(lambda screen: len(names(screen)) == 3 and "q quit" in screen)
    shown.until(lambda screen: "lost nothing" in screen)
    leave(shown)


def test_twenty_by_five_cells_have_totals_a_row_and_losses(shown):
    shown.resize(20, 5)
    shown.until(lambda screen: re.search(r"tracked.*\n.*BYTES.*\n.*1\.0 MiB.*\n", screen))
    shown.until(lambda screen: "lost nothing" in screen)
    leave(shown)


def test_the_palette_runs_a_command_by_its_name(shown):
    shown.press(":")
    shown.until(lambda screen: "Search for commands" in screen)
    shown.press("View: fl")
    shown.until(lambda screen: "the call tree as boxes" in screen)
    shown.press("Enter")
    shown.until(lambda screen: re.search(r"^.?all › .* › serve", screen, re.MULTILINE))
    leave(shown)


def test_a_server_in_trouble_is_said_to_grow_where_and_how_fast(tmp_path):
    """Left alone it leaks steadily: within 20 s the header says so, and names the site."""
    with Workload("leaking_server") as busy, dashboard(tmp_path, busy) as terminal:
        screen = terminal.until(
            lambda screen: re.search(r"growth +growing \+.*session_create", screen), 60
        )
        assert re.search(r"session_create", screen)
        leave(terminal)

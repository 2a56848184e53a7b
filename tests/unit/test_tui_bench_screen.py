"""What `scripts/tui-bench` reads off a terminal."""

from scripts.showing.screen import Screen

ROW = "\x1b[2;1H\x1b[7m{}\x1b[0m   "


def screen(*written: str, width: int = 40, height: int = 5) -> Screen:
    found = Screen(width, height)
    for text in written:
        found.feed(text.encode())
    return found


def test_text_stands_where_it_was_put():
    shown = screen("\x1b[?1049h\x1b[2;3Hab\x1b[1;1Hx\r\n\x1b[CB")
    assert [shown.line(row).rstrip() for row in (0, 1)] == ["x", " Bab"]
    assert shown.alternate


def test_what_is_cut_in_the_middle_of_a_sequence_or_a_sign_is_put_together():
    whole = "\x1b[?2026$p\x1b]0;title\x07\x1b(B\x1b[2;1H▸ site_1 \x1b[38;2;1;2;3mred".encode()
    for cut in range(len(whole)):
        shown = Screen(40, 5)
        shown.feed(whole[:cut])
        shown.feed(whole[cut:])
        assert shown.line(1).rstrip() == "▸ site_1 red"


def test_the_row_with_the_sign_names_what_is_under_the_cursor_as_far_as_it_is_highlighted():
    shown = screen("\x1b[1;1H\x1b[7mHEAD part_9\x1b[0m", ROW.format("▸ 1 MiB site_1 ← main_2"))
    assert shown.cursor_names() == ("site_1", "main_2")
    shown.feed("\x1b[2;30H▸ pane_3\x1b[4;2H▸ pane_4".encode())
    assert shown.cursor_names() == ("site_1", "main_2")


def test_without_a_sign_highlighted_names_count_whatever_they_are_highlighted_by():
    assert screen(ROW.format("site_1")).cursor_names() == ("site_1",)
    assert screen("\x1b[48;5;17msite_2\x1b[49m site_3").cursor_names() == ("site_2",)
    assert screen("site_1 \x1b[38;2;40;41;42msite_2").cursor_names() == ()


def test_a_refresh_of_numbers_is_no_answer():
    shown = screen(ROW.format("▸ 1 MiB site_1"))
    before = shown.cursor_names()
    shown.feed(ROW.format("▸ 2 MiB site_1").encode())
    assert shown.cursor_names() == before

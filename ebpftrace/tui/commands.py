"""Every command of the dashboard, once: keys, name, what it does. Bindings, help, footer and palette come from here."""

from typing import NamedTuple


class Command(NamedTuple):
    """`action` is what Textual calls; `brief` stands in the footer, if it is not empty."""

    keys: str
    action: str
    title: str
    help: str
    brief: str = ""


class Section(NamedTuple):
    """Commands that belong together, for the help."""

    title: str
    commands: tuple[Command, ...]


SECTIONS = (
    Section(
        "Leave and find out",
        (
            Command("q", "leave", "Leave", "end the watch; a live one removes its probes", "quit"),
            Command(
                "question_mark,h,f1", "help", "Help", "every key, targets, losses, notes", "help"
            ),
            Command("colon,ctrl+p", "command_palette", "Commands", "every command by its name"),
            Command(
                "escape",
                "close",
                "Close or widen",
                "close what is on top; then filter, group, mark",
            ),
            Command("ctrl+l", "anew", "Draw anew", "draw the screen anew"),
        ),
    ),
    Section(
        "Views",
        (
            Command(
                "1", "view('sites')", "View: call sites", "a row for each stack that allocates"
            ),
            Command("2", "view('functions')", "View: functions", "by the function to blame"),
            Command("3", "view('modules')", "View: modules", "by its program or library"),
            Command("4", "view('processes')", "View: processes", "by process"),
            Command(
                "5", "view('allocators')", "View: allocators", "by the function that was called"
            ),
            Command("6", "view('calls')", "View: call tree", "from the start of threads inward"),
            Command(
                "7", "view('callers')", "View: caller tree", "from the function to blame outward"
            ),
            Command("8,f", "view('flame')", "View: flame", "the call tree as boxes"),
            Command("v", "next_view(1)", "Next view", "the next of these", "view"),
            Command("V", "next_view(-1)", "Previous view", "the one before"),
        ),
    ),
    Section(
        "Order and selection",
        (
            Command("b", "sort('bytes')", "Sort by bytes", "most bytes first; again: turned round"),
            Command("n", "sort('blocks')", "Sort by blocks", "most blocks first"),
            Command("g", "sort('growth')", "Sort by growth", "fastest growing first", "growth"),
            Command("a", "sort('age')", "Sort by age", "oldest first"),
            Command("r", "reverse", "Reverse", "the other way round"),
            Command(
                "o",
                "order",
                "Order anew",
                "in the exact order: rows that are close keep their places",
            ),
            Command("slash", "filter", "Filter", "by function, file, module, size, age…", "filter"),
            Command("m", "mark", "Set a mark", "then show only what grows from now on", "mark"),
            Command(
                "M,apostrophe", "marks", "Choose a mark", "from which growth is shown, or none"
            ),
            Command(
                "D",
                "drain",
                "Drain",
                "record only frees from now on: what remains is what is kept; again: record all",
            ),
            Command(
                "B",
                "mode",
                "Budget and mode",
                "how closely to watch, and what that may cost the targets",
            ),
            Command("p", "pause", "Pause", "hold the picture; the watch goes on", "pause"),
        ),
    ),
    Section(
        "The row under the cursor",
        (
            Command(
                "enter", "open", "Open", "a site over the whole screen; a group's sites", "open"
            ),
            Command("full_stop", "frame(1)", "Frame outward", "the source of the caller"),
            Command("comma", "frame(-1)", "Frame inward", "the source of the callee"),
            Command("e", "edit", "Edit the source", "open its line in $EDITOR", "edit"),
            Command("y", "copy", "Copy the stack", "as text, to the terminal's clipboard"),
            Command("s", "save", "Save a snapshot", "the whole picture, into a file", "save"),
        ),
    ),
)

MOVES = (
    ("up down, k j", "another row, which the cursor then stays on while the rows move"),
    ("page up, page down, space", "further up or down"),
    ("home, end", "the first row, whichever that is; the last"),
    ("left right", "close and open in a tree; the boxes beside in the flame view"),
    ("tab", "to the pane below and back, to scroll it"),
    ("mouse", "click on rows, titles, views and boxes; the wheel scrolls"),
)

FILTERS = (
    ("parse json", "both words, in any function, file, module, allocator, process of the stack"),
    ("function:x file:x", "in that alone; so do module:x allocator:x pid:42; !x: not"),
    ("size>1M age>5m", "what a site holds; so do blocks>100 growth>10k (a minute)"),
)

COMMANDS = tuple(command for section in SECTIONS for command in section.commands)

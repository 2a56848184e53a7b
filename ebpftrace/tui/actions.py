"""What each command of the dashboard does to what is shown. Drawing it is left to `app`."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

from textual.app import App, SuspendNotSupported
from textual.message import Message
from textual.widgets import Input

from ebpftrace.analysis import wording
from ebpftrace.analysis.marks import Mark, Marks
from ebpftrace.analysis.selection import SortKey
from ebpftrace.analysis.suppressed import NOTHING, Suppressed
from ebpftrace.model.frames import Frame
from ebpftrace.model.picture import Picture, Point, Site, SourceLines
from ebpftrace.model.source import PictureSource
from ebpftrace.threads import Thread
from ebpftrace.tui.choices import choices
from ebpftrace.tui.composer import Shown
from ebpftrace.tui.detail import Look, chosen_frame
from ebpftrace.tui.editor import edit
from ebpftrace.tui.flame import Flame
from ebpftrace.tui.glyphs import Glyphs
from ebpftrace.tui.guide import guide_lines
from ebpftrace.tui.lines import line
from ebpftrace.tui.listing import Pane
from ebpftrace.tui.options import Options, Save
from ebpftrace.tui.past import Past
from ebpftrace.tui.rows import GroupRows, Rows, SiteRows, TreeRows
from ebpftrace.tui.screens import Ask, Choose, Help
from ebpftrace.tui.stack import as_text
from ebpftrace.tui.table import Table
from ebpftrace.tui.view import GROUPED, KINDS, TREES, Kind, View, Within

_ALL = "since the attach: everything"
_WHOLE_FILE = 1 << 30
_SAVE_S = 10.0


class Actions(App[None]):
    """The state of the dashboard, and the commands that change it."""

    @dataclass
    class SourceRead(Message):
        """The file of a frame, for the editor, or what reading it raised."""

        frame: Frame
        read: SourceLines | BaseException | None

    @dataclass
    class Saved(Message):
        """Where a snapshot went, or why not; or what that raised."""

        said: str | BaseException

    _saving: Thread | None = None
    source: PictureSource
    options: Options
    past: Past
    glyphs: Glyphs
    view: View
    marks: Marks
    picture: Picture | None
    newest: Picture | None
    shown: Shown | None
    paused: bool
    whole: bool
    frame: int | None
    anew: int
    table: Table
    flame: Flame
    pane: Pane
    filter: Input

    @abstractmethod
    def change(self, view: View | None = None) -> None:
        """Show `view`, or what is shown, as it has become."""

    @abstractmethod
    def show_pane(self, *, from_top: bool) -> None:
        """Write the pane anew."""

    @abstractmethod
    def look(self) -> Look | None:
        """How the pane shows a site now."""

    @property
    def mark(self) -> Mark | None:
        """The mark that growth is shown from."""
        return self.marks[self.view.mark] if self.view.mark is not None else None

    @property
    def site(self) -> Site | None:
        """The call site under the cursor; None on a row that stands for several."""
        rows = self.rows
        if not isinstance(rows, SiteRows) or not len(rows):
            return None
        return rows.site(self.table.position)

    @property
    def rows(self) -> Rows | None:
        """Those on the screen; None as long as they are of another view than was asked for."""
        shown = self.shown
        return (
            shown.rows if shown is not None and shown.request.view.kind == self.view.kind else None
        )

    @property
    def suppressed(self) -> Suppressed:
        """What is hidden on the screen."""
        return self.shown.suppressed if self.shown is not None else NOTHING

    # --- views ------------------------------------------------------------------------------------

    def action_view(self, kind: Kind) -> None:
        if kind != self.view.kind:
            self.table.held = self.flame.held = None
            self.whole = False
            self.change(self.view.of(kind))

    def action_next_view(self, step: int) -> None:
        self.action_view(KINDS[(KINDS.index(self.view.kind) + step) % len(KINDS)])

    def action_sort(self, sort: SortKey) -> None:
        self.change(self.view.sorted_by(sort))

    def action_reverse(self) -> None:
        self.change(self.view.reversed())

    def action_order(self) -> None:
        self.anew += 1
        self.change()

    def action_pause(self) -> None:
        if self.picture is None:
            return
        self.paused = not self.paused
        if not self.paused:
            self.picture = self.newest
        self.change()

    def action_open(self) -> None:
        """A site over the whole screen, the sites of a group, the children of a node, a box."""
        rows = self.rows
        if self.whole or self.view.kind == "sites":
            self._show_whole(not self.whole)
        elif rows is None or not len(rows):
            return
        elif isinstance(rows, GroupRows):
            group = rows.group(self.table.position)
            within = Within(GROUPED[self.view.kind], group.key, group.title)
            self.table.held = None
            self.change(replace(self.view.of("sites"), within=within))
        elif self.view.kind == "flame":
            if self.flame.path is not None:
                self.change(replace(self.view, zoom=self.flame.path))
        elif isinstance(rows, TreeRows):
            shoot = rows.shoots[self.table.position]
            self.change(self.view.turned(shoot.node.key, open_it=not shoot.open))

    def _show_whole(self, whole: bool) -> None:
        self.whole = whole
        shown = self.pane if whole else self.table
        shown.display = True
        self.screen.set_focus(shown)
        self.change()

    def unfold(self, *, open_it: bool) -> None:
        """Open or close the node under the cursor; what is so already leads to its child or caller."""
        rows = self.rows
        if self.view.kind not in TREES or not isinstance(rows, TreeRows) or not len(rows):
            return
        position = self.table.position
        shoot = rows.shoots[position]
        if open_it and not shoot.node.is_leaf and not shoot.open:
            self.change(self.view.turned(shoot.node.key, open_it=True))
        elif open_it and shoot.open:
            self.table.action_move(1)
        elif shoot.open:
            self.change(self.view.turned(shoot.node.key, open_it=False))
        elif not open_it and shoot.depth:
            depths = [one.depth for one in rows.shoots[:position]]
            above = max(n for n, depth in enumerate(depths) if depth < shoot.depth)
            self.table.action_move(above - position)

    def action_close(self) -> None:
        """What is on top: the whole screen, then zoom, group, filter, mark."""
        if self.whole:
            self._show_whole(False)
            return
        if self.filter.display and not self.view.query:
            self.filter.display = False
            self.focus_rows()
            return
        wider = self.view.wider()
        if wider is not None:
            self.filter.value = wider.query
            self.filter.display = self.filter.display and bool(wider.query)
            self.change(wider)
        self.focus_rows()

    def focus_rows(self) -> None:
        """Have keys move the cursor of what is shown."""
        self.table.focus() if self.view.kind != "flame" else self.flame.focus()

    def action_drain(self) -> None:
        """Only frees are recorded, or everything again."""
        picture = self.newest
        controls = self.options.controls
        if controls is None or picture is None or picture.final:
            self.say("only a live watch can be drained")
            return
        begin = picture.drain is None or picture.drain.since_s is None
        controls.drains(begin)
        if begin:
            self.say("draining: only frees are recorded from now on; D records all again")
        else:
            self.say("allocations are recorded again; those since D was pressed never were")

    def action_mode(self) -> None:
        """How closely to watch, and for what."""
        controls = self.options.controls
        asked = None if controls is None else controls.wanted()
        if asked is None or self.newest is None or self.newest.final:
            self.say("only a live watch can be changed")
            return
        offered = choices(asked, self.newest.cost.forecast_percent)
        words = line("Watch so from now on; percent of a processor, in the targets")

        def take(chosen: str | None) -> None:
            if chosen is not None and controls is not None:
                controls.want(*offered[chosen])
                self.say(f"from now on: {chosen}")

        self.push_screen(Choose(self.glyphs, words, list(offered)), take)

    # --- filter and marks -------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Its key comes before all others, and is text where something is typed already."""
        if action == "filter" and isinstance(self.focused, Input):
            return False
        if action == "filter" and len(self.screen_stack) > 1:
            return False
        return super().check_action(action, parameters)

    def action_filter(self) -> None:
        self.filter.display = True
        self.screen.set_focus(self.filter)

    def action_mark(self) -> None:
        if self.picture is None:
            return
        proposal = f"mark {len(self.marks.names) + 1}"
        self.push_screen(Ask(self.glyphs, line("Name of the mark"), proposal), self._set_mark)

    def _set_mark(self, name: str | None) -> None:
        if name is None or self.picture is None:
            return
        mark = self.marks.add(name, self.picture)
        self.change(replace(self.view, mark=mark.name))

    def action_marks(self) -> None:
        choices = [_ALL, *self.marks.names]
        words = line("Show what has grown since")
        self.push_screen(Choose(self.glyphs, words, choices), self._choose_mark)

    def _choose_mark(self, name: str | None) -> None:
        if name is not None:
            self.change(replace(self.view, mark=None if name == _ALL else name))

    # --- the row under the cursor -----------------------------------------------------------------

    def action_frame(self, step: int) -> None:
        site, look = self.site, self.look()
        if site is None or look is None or not site.at.frames:
            return
        now = chosen_frame(site, look) or 0
        self.frame = max(0, min(now + step, len(site.at.frames) - 1))
        self.show_pane(from_top=False)

    def action_copy(self) -> None:
        site = self.site
        if site is None or self.picture is None:
            self.say("a stack is copied from the view of call sites")
            return
        picture = self.picture
        several = len(picture.targets) > 1
        held = wording.holding(site, picture.since_attach_s, several, picture.mode)
        self.copy_to_clipboard(as_text(site, held))
        frames = wording.many(len(site.at.frames), "frame")
        self.say(f"{frames} sent to the terminal's clipboard (OSC 52), if it takes them")

    def action_edit(self) -> None:
        site, look = self.site, self.look()
        index = chosen_frame(site, look) if site is not None and look is not None else None
        if site is None or index is None:
            self.say("an editor is opened from the view of call sites")
            return
        frame = site.at.frames[index]
        # A file system of the target's may hang, and then nobody may have to wait for it.
        reading = Thread(self._read_source, "source", (site, frame))
        reading.start()

    def _read_source(self, site: Site, frame: Frame) -> None:
        try:
            read: SourceLines | BaseException | None
            read = self.source.source(site, frame, _WHOLE_FILE)
        except BaseException as error:  # noqa: BLE001  (raised again by whoever runs the dashboard)
            read = error
        self.post_message(self.SourceRead(frame, read))

    def on_actions_source_read(self, message: SourceRead) -> None:
        frame, text = message.frame, message.read
        if isinstance(text, BaseException):
            raise text
        if text is None or frame.line is None:
            self.say(f"there is no source text of {wording.title(frame)} to be had")
            return
        try:
            with self.suspend():
                problem = edit(text, frame.line, self.options.stopped)
        except SuspendNotSupported:
            problem = "this terminal cannot be lent to an editor"
        self.refresh(layout=True)
        if problem is not None:
            self.say(problem)

    def action_save(self) -> None:
        if self.picture is None:
            return
        if self.options.save is None:
            self.say("this view has nowhere to save to")
        elif self._saving is not None and self._saving.is_alive():
            self.say("the one before is still being saved")
        else:
            # A hundred thousand sites take a second, and a disk may take longer.
            given = self.options.save, self.picture, self.past.points(self.picture)
            self._saving = Thread(self._save, "saving", given)
            self._saving.start()

    def _save(self, save: Save, picture: Picture, points: Sequence[Point]) -> None:
        try:
            said: str | BaseException
            said = save(picture, points)
        except BaseException as error:  # noqa: BLE001  (raised again by whoever runs the dashboard)
            said = error
        self.post_message(self.Saved(said))

    def on_actions_saved(self, message: Saved) -> None:
        if isinstance(message.said, BaseException):
            raise message.said
        self.say(message.said)

    def finish_saving(self) -> None:
        """Before the process ends: what is half written would stay."""
        if self._saving is not None:
            self._saving.join(_SAVE_S)

    # --- the rest ---------------------------------------------------------------------------------

    def action_help(self) -> None:
        picture, notes, hidden = self.picture, self.options.notes(), self.suppressed
        self.push_screen(
            Help(self.glyphs, lambda width: guide_lines(picture, notes, width, hidden))
        )

    def action_anew(self) -> None:
        self.refresh(repaint=True, layout=True)

    def action_leave(self) -> None:
        self.exit()

    def say(self, words: str) -> None:
        """A sentence that goes away by itself."""
        self.notify(self.glyphs.safe(words, 400), markup=False)

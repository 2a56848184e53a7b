"""The source of a frame in the user's editor."""

import os
import shlex
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ebpftrace.model.picture import SourceLines

# Editors that take the line with the file, and what they want to be told before.
_WITH_FILE = {
    "code": ("--goto",),
    "codium": ("--goto",),
    "subl": (),
    "zed": (),
    "hx": (),
    "helix": (),
}
_FALLBACK = "vi"
_LOOK_S = 0.05
_PATIENCE_S = 2.0
_MOST_NAME = 100


def command(environment: Mapping[str, str], path: str, number: int) -> list[str]:
    """How the editor is started: $VISUAL or $EDITOR, which may have arguments of their own."""
    wanted = environment.get("VISUAL") or environment.get("EDITOR") or _FALLBACK
    try:
        words = shlex.split(wanted) or [_FALLBACK]
    except ValueError:  # a quote that is not closed
        words = [wanted]
    before = _WITH_FILE.get(os.path.basename(words[0]))
    if before is not None:
        return [*words, *before, f"{path}:{number}"]
    return [*words, f"+{number}", path]


def edit(text: SourceLines, number: int, stopped: Callable[[], bool]) -> str | None:
    """Open `text`, a whole file, at line `number`; None, or in a sentence what went wrong.

    A file that this user has no path to is opened as a copy, which is gone afterwards. The editor
    is ended when the dashboard is told to end.
    """
    try:
        with _file_of(text) as path:
            return _edit(command(os.environ, path, number), stopped)
    except OSError as error:
        return f"the source cannot be copied for an editor: {error.strerror}"


def _edit(words: list[str], stopped: Callable[[], bool]) -> str | None:
    try:
        editor = subprocess.Popen(words)
    except OSError as error:
        return f"{words[0]} cannot be started: {error.strerror}; set $EDITOR"
    with editor:
        while editor.poll() is None and not stopped():
            time.sleep(_LOOK_S)
        if editor.poll() is None:
            editor.terminate()
            try:
                editor.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:  # the probes may not stay because it does
                editor.kill()
    status = editor.returncode
    return None if status == 0 else f"{words[0]} ended with status {status}"


@contextmanager
def _file_of(text: SourceLines) -> Iterator[str]:
    if text.here is not None:
        yield text.here
        return
    with tempfile.TemporaryDirectory(prefix="ebpftrace-") as folder:
        name = os.path.basename(text.path)
        name = name.encode("utf-8", "replace")[-_MOST_NAME:].decode("utf-8", "ignore")
        copy = Path(folder) / (name.lstrip("-.") or "source")
        copy.write_text("\n".join(text.lines) + "\n", encoding="utf-8")
        copy.chmod(0o400)
        yield str(copy)

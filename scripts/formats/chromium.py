"""A headless Chromium, driven by the DevTools protocol over two pipes: no port, no library."""

import base64
import itertools
import json
import os
import select
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from scripts.formats.checking import Failed, version_of

PROGRAM = BROUGHT_BY = "chromium"
_ARGUMENTS = (
    "--headless",
    "--no-sandbox",  # which root cannot have; the pages are our own
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
_PATIENCE_S = 60.0


def version() -> str | None:
    """None where it is not installed."""
    return version_of(PROGRAM, "--product-version")


class PageFailed(Failed):
    """The browser answered with an error, ended, or did not answer."""


class Page:
    """One page of a browser of its own, to be used as a context.

    `complaints`: exceptions, and what was refused by its policy or logged as an error. `loads`: every
    address that it asked for.
    """

    def __init__(self, program: str = PROGRAM, width: int = 1280, height: int = 800) -> None:
        self.complaints: list[str] = []
        self.loads: list[str] = []
        self._numbers = itertools.count(1)
        self._session: str | None = None
        self._rest = b""
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        to_read, self._to = os.pipe()
        self._from, to_write = os.pipe()

        # The pipes have to be 3 and 4 in the browser.
        shell = f'exec "$0" "$@" 3<&{to_read} 4>&{to_write}'
        command = ["bash", "-c", shell, program, *_ARGUMENTS]
        self._process = subprocess.Popen(
            [*command, f"--user-data-dir={self._profile.name}", f"--window-size={width},{height}"],
            pass_fds=(to_read, to_write),
            stderr=subprocess.DEVNULL,
            # It leaves sockets there when it is ended.
            env={**os.environ, "TMPDIR": self._profile.name},
        )
        os.close(to_read)
        os.close(to_write)
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")
        self.resize(width, height)

    def __enter__(self) -> "Page":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait(10)
        os.close(self._to)
        os.close(self._from)
        self._profile.cleanup()

    def ask(self, method: str, **given: Any) -> Any:
        """The result of one command."""
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": given}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == number:
                if "error" in answer:
                    raise PageFailed(f"{method}: {answer['error']}")
                return answer["result"]
            self._take(answer)

    def run_first(self, script: str) -> None:
        """In every document from now on, before its own scripts."""
        self.ask("Page.addScriptToEvaluateOnNewDocument", source=script)

    def open(self, path: Path, more: str = "") -> None:
        """`more`: query and fragment."""
        self.ask("Page.navigate", url=path.resolve().as_uri() + more)
        self.until("document.readyState === 'complete'")

    def value(self, expression: str) -> Any:
        """Of an expression of JavaScript in the page."""
        answer = self.ask(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise PageFailed(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def until(self, expression: str) -> None:
        """Wait for it to be true."""
        end = time.monotonic() + _PATIENCE_S
        while not self.value(expression):
            if time.monotonic() > end:
                raise PageFailed(f"waited in vain for {expression}")
            time.sleep(0.02)

    def settled(self) -> None:
        """After the frame in which what was done is drawn."""
        self.value(
            "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )

    def point(self, x: float, y: float) -> None:
        self.ask("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        self.settled()

    def click(self, x: float, y: float) -> None:
        self.point(x, y)
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
        self.settled()

    def key(self, key: str, text: str = "") -> None:
        self.ask("Input.dispatchKeyEvent", type="keyDown", key=key, text=text)
        self.ask("Input.dispatchKeyEvent", type="keyUp", key=key)
        self.settled()

    def type(self, text: str) -> None:
        self.ask("Input.insertText", text=text)
        self.settled()

    def resize(self, width: int, height: int, *, phone: bool = False) -> None:
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if phone else 1,
            mobile=phone,
        )

    def scheme(self, name: str) -> None:
        """`light` or `dark`."""
        feature = {"name": "prefers-color-scheme", "value": name}
        self.ask("Emulation.setEmulatedMedia", features=[feature])

    def picture(self, path: Path) -> None:
        self.settled()
        path.write_bytes(base64.b64decode(self.ask("Page.captureScreenshot")["data"]))

    def pdf(self) -> bytes:
        return base64.b64decode(self.ask("Page.printToPDF", printBackground=True)["data"])

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._from], [], [], _PATIENCE_S)
            data = os.read(self._from, 1 << 20) if ready else b""
            if not data:
                raise PageFailed("the browser ended or hangs")
            self._rest += data
        message, self._rest = self._rest.split(b"\0", 1)
        answer: dict[str, Any] = json.loads(message)
        return answer

    def _take(self, event: dict[str, Any]) -> None:
        given = event.get("params", {})
        if event["method"] == "Runtime.exceptionThrown":
            self.complaints.append(str(given["exceptionDetails"]))
        elif event["method"] == "Log.entryAdded" and given["entry"]["level"] == "error":
            self.complaints.append(given["entry"]["text"])
        elif event["method"] == "Network.requestWillBeSent":
            self.loads.append(given["request"]["url"])

"""The page in a headless Chromium, driven by its own protocol; its microphone hears a WAV."""

import json
import os
import shutil
import subprocess
import time
import urllib.request
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from websockets.sync.client import ClientConnection, connect

from twofold.sw.data.speech import speak

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
PATIENCE = 90.0
MOST = 1 << 26
"""Bytes of a message: pictures of pages."""


CHROMIUM = next((found for name in NAMES if (found := shutil.which(name))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
PICTURES = "TWOFOLD_PICTURES"
"""Environment variable: folder for pictures of the page, to look at."""
GAP = np.zeros(12_000, np.float32)


class Page:
    """A page of a browser. Messages of its console and its errors are in ``console``."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._count = 0
        self.console: list[str] = []
        for domain in ("Page", "Runtime", "Log", "DOM", "Accessibility"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command of the protocol and its result."""
        self._count += 1
        self._socket.send(json.dumps({"id": self._count, "method": method, "params": parameters}))
        while True:
            found = json.loads(self._socket.recv(PATIENCE))
            self._note(found)
            if found.get("id") == self._count:
                assert "error" not in found, found
                return found["result"]

    def _note(self, event: dict[str, Any]) -> None:
        content = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            self.console.append(content["exceptionDetails"]["exception"]["description"])
        elif event.get("method") == "Log.entryAdded" and content["entry"]["level"] == "error":
            self.console.append(content["entry"]["text"])

    def run(self, script: str) -> Any:
        """Value of an expression."""
        found = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, script: str) -> Any:
        """The expression's value, once it is true."""
        end = time.monotonic() + PATIENCE
        while not (found := self.run(script)):
            assert time.monotonic() < end, f"never: {script}; {self.console}"
            time.sleep(0.1)
        return found

    def open(self, url: str) -> None:
        """Load a page."""
        self.call("Page.navigate", url=url)
        self.until("document.readyState === 'complete'")

    def size(self, width: int, height: int, theme: str) -> None:
        """A window of this size; ``theme`` is light or dark."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height,
            deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip
        feature = {"name": "prefers-color-scheme", "value": theme}
        self.call("Emulation.setEmulatedMedia", features=[feature])

    def press(self, key: str, text: str = "") -> None:
        """A key, pressed and released."""
        code = {"Tab": 9, "Enter": 13, " ": 32}[key]
        common = {"key": key, "windowsVirtualKeyCode": code}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def picture(self, path: Path) -> None:
        """Write a PNG of the whole page."""
        found = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(b64decode(found["data"]))


@contextmanager
def browsing(folder: Path, microphone: Path) -> Iterator[Page]:
    """A page of a browser whose microphone hears a WAV file, again and again."""
    assert CHROMIUM is not None
    command = [
        CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
        "--no-first-run", "--remote-debugging-port=0", f"--user-data-dir={folder}",
        "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={microphone}",
        "--autoplay-policy=no-user-gesture-required", "about:blank",
    ]  # fmt: skip
    environment = {**os.environ, "HOME": str(folder)}
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
    ) as process:
        try:
            address = _address(folder / "DevToolsActivePort", process)
            with connect(address, max_size=MOST) as socket:
                yield Page(socket)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _address(told: Path, process: "subprocess.Popen[bytes]") -> str:
    """Where the first page of a browser is driven."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        if told.exists() and (lines := told.read_text().split()):
            with urllib.request.urlopen(f"http://127.0.0.1:{lines[0]}/json", timeout=20) as answer:
                pages = json.load(answer)
            for one in pages:
                if one["type"] == "page":
                    return one["webSocketDebuggerUrl"]
        time.sleep(0.1)
    raise AssertionError("the browser did not start")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A browser that hears "yes" and "stop", again and again."""
    folder = tmp_path_factory.mktemp("chromium")
    with browsing(folder / "profile", recording(folder / "microphone.wav", "yes", "stop")) as found:
        yield found


def recording(path: Path, *words: str) -> Path:
    spoken = np.concatenate([GAP, *(np.append(speak(word), GAP) for word in words)])
    noise = np.random.default_rng(0).normal(0, 1e-3, len(spoken))
    soundfile.write(path, (spoken + noise).astype(np.float32), 16_000)
    return path


def found_words(page: Page, count: int) -> list[str]:
    """The first words of the log, once there are as many."""
    page.until(f"document.querySelectorAll('#log li').length >= {count}")
    words = "[...document.querySelectorAll('#log b')].map((one) => one.textContent).reverse()"
    return page.run(words)[:count]


def focused(page: Page) -> str:
    return page.run("document.activeElement.id")


def test_the_microphone_by_keyboard(page: Page, served: str) -> None:
    page.open(f"http://{served}/")
    page.until("!document.getElementById('microphone').disabled")
    for _ in range(8):
        if focused(page) == "microphone":
            break
        page.press("Tab")
    assert focused(page) == "microphone"
    page.press("Enter", "\r")
    assert set(found_words(page, 2)) == {"yes", "stop"}
    page.until("document.getElementById('bits').textContent.includes('bit for bit')")
    shown = page.run("document.body.innerText")
    assert "gsc-fast on the CPU engine" in shown and "of 13,912,400 dense" in shown
    assert not page.run("document.getElementById('simulated').checkVisibility()")
    heights = page.run("[...document.querySelectorAll('canvas')].map((one) => one.height)")
    assert len(heights) == 5 and min(heights) > 0
    assert page.console == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 375])
def test_nothing_is_wider_than_the_screen(page: Page, width: int, theme: str) -> None:
    page.size(width, 812, theme)
    page.until(f"document.getElementById('spectrogram').clientWidth < {width}")
    assert page.run("document.documentElement.scrollWidth") <= width
    small = "[...document.querySelectorAll('button, select, .file')].filter((one) => "
    small += "one.checkVisibility() && one.getBoundingClientRect().height < 44).length"
    assert page.run(small) == 0
    if PICTURES in os.environ:
        time.sleep(4)
        page.picture(Path(os.environ[PICTURES]) / f"page-{width}-{theme}.png")


def test_controls_and_pictures_have_names(page: Page) -> None:
    """As screen readers see them."""
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    seen = [one for one in nodes if not one.get("ignored")]
    roles = {one["role"]["value"] for one in seen}
    named = ("button", "img", "canvas", "log", "table", "combobox", "region", "textbox")
    nameless = [
        one["role"]["value"]
        for one in seen
        if one["role"]["value"] in named and not one.get("name", {}).get("value")
    ]
    assert {"button", "log", "table", "region"} <= roles and nameless == []
    live = [one for one in seen if one["role"]["value"] == "status"]
    assert len(live) == 1


def test_a_recording_is_dropped(page: Page, served: str, tmp_path: Path) -> None:
    page.open(f"http://{served}/")
    page.until("!document.getElementById('file').disabled")
    root = page.call("DOM.getDocument")["root"]["nodeId"]
    node = page.call("DOM.querySelector", nodeId=root, selector="#file")["nodeId"]
    damaged = tmp_path / "damaged.wav"
    damaged.write_bytes(b"RIFF")
    for file, said in (
        (damaged, "cannot read this as audio"),
        (recording(tmp_path / "left.wav", "left"), "Done."),
    ):
        page.call("DOM.setFileInputFiles", nodeId=node, files=[str(file)])
        page.until(f"document.getElementById('status').textContent.includes('{said}')")
    assert found_words(page, 1) == ["left"]
    assert page.console == []


def test_what_is_simulated_says_so_and_a_token_is_asked_for(page: Page, start) -> None:
    token = "a secret of enough letters"
    _, address = start("gsc-fast", "--device", "golden", TWOFOLD_TOKEN=token)
    page.open(f"http://{address}/")
    page.until("!document.getElementById('access').hidden")
    page.console.clear()  # the answer 401 is noted there
    page.run(f"document.getElementById('token').value = '{token}'")
    page.run("document.querySelector('#access button').click()")
    page.until("document.getElementById('access').hidden")
    page.run("document.getElementById('microphone').click()")
    page.until("document.getElementById('simulated').checkVisibility()")
    assert "the device 'golden'" in page.run("document.getElementById('device').textContent")
    page.run("document.getElementById('microphone').click()")
    page.until("document.getElementById('status').textContent === 'Done.'")
    assert page.console == []

"""A headless Chromium whose camera is the test, on the page that the real command serves."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
from playwright.sync_api import Browser, Page, Playwright

from p2pfl_me.live.film import Image
from tests.small import Command

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--use-fake-ui-for-media-stream",
)
PATIENCE_MS = 180_000
"""How long a busy machine may take for anything; nothing is ever waited for so long."""
CAMERA = """
(() => {
  // A camera whose every picture the test gives, with a time stamp of its own: no clock of this machine plays a part.
  const still = document.createElement("canvas");
  [still.width, still.height] = [640, 480];
  let picture = null, number = 0, over = false;
  navigator.mediaDevices.getUserMedia = async () => {
    still.getContext("2d").fillRect(0, 0, 640, 480);
    const stream = still.captureStream(30);
    const again = setInterval(() => still.getContext("2d").fillRect(0, 0, 640, 480), 30);
    window.unplug = () => {
      clearInterval(again);
      const [track] = stream.getVideoTracks();
      track.stop();
      track.dispatchEvent(new Event("ended"));
    };
    return stream;
  };
  for (const kind of [CanvasRenderingContext2D, OffscreenCanvasRenderingContext2D]) {
    const draw = kind.prototype.drawImage;
    kind.prototype.drawImage = function (image, ...rest) {
      return draw.call(this, image instanceof HTMLVideoElement ? picture : image, ...rest);
    };
  }
  const answered = async () => {
    while (window.p2pme.reports < number) await new Promise((resolve) => setTimeout(resolve, 1));
  };
  HTMLVideoElement.prototype.requestVideoFrameCallback = async function (told) {
    await answered();
    // On a busy machine it has no size at first.
    while (!this.videoWidth) await new Promise((resolve) => setTimeout(resolve, 1));
    const [time, jpeg] = (await window.nextPicture()) ?? [];
    if (jpeg === undefined) return (window.filmIsOver = true);
    const bytes = Uint8Array.from(atob(jpeg), (letter) => letter.charCodeAt(0));
    picture = await createImageBitmap(new Blob([bytes], { type: "image/jpeg" }));
    number += 1;
    told(performance.now(), { mediaTime: time, presentedFrames: number });
  };
})();
"""
"""Runs before the page: it asks Python for the camera's pictures, each as soon as the last was answered."""


def give_pictures(page: Page, pictures: Iterable[tuple[float, Image]]) -> None:
    """Be the page's camera: uint8 (H, W, 3) RGB, with their time stamps in seconds."""
    steps = iter(pictures)

    def following() -> tuple[float, str] | None:
        step = next(steps, None)
        if step is None:
            return None
        _, data = cv2.imencode(".jpg", cv2.cvtColor(step[1], cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, 92))
        return step[0], base64.b64encode(data.tobytes()).decode()

    page.expose_function("nextPicture", following)
    page.add_init_script(CAMERA)


@contextmanager
def chromium(playwright: Playwright, *, camera: bool) -> Iterator[Browser]:
    """A fresh browser with an empty profile, and with a test picture for a camera or with none."""
    fake = ("--use-fake-device-for-media-stream=fps=10",) if camera else ()  # its pictures cost what others would
    browser = playwright.chromium.launch(
        executable_path=CHROMIUM, headless=True, args=[*FLAGS, *fake], timeout=PATIENCE_MS
    )
    try:
        yield browser
    finally:
        browser.close()


@contextmanager
def serving(home: Path, *arguments: str) -> Iterator[str]:
    """`p2pme live` on a free port; its address."""
    command = Command(["live", *arguments, "--port", "0", "--no-open"], home)
    assert command.process.stdout is not None
    try:
        # With a model the command says first what it names.
        yield next(line.strip() for line in command.process.stdout if line.startswith("http"))
    finally:
        command.interrupt()
        command.finish()


def agree(page: Page, url: str) -> None:
    page.set_default_timeout(PATIENCE_MS)
    page.goto(url)
    page.get_by_role("checkbox").check()


def start(page: Page, url: str, what: str = "camera") -> None:
    """Agree and start."""
    agree(page, url)
    page.get_by_role("button", name=f"Start the {what}").click()


def page_list(page: Page, name: str) -> list[dict[str, Any]]:
    """`events` or `absences`."""
    found: list[dict[str, Any]] = page.evaluate(f"window.p2pme.{name}")
    return found

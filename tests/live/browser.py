"""A headless Chromium whose camera is a drawn film, on the page that the real command serves."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
from playwright.sync_api import Browser, Page, sync_playwright

from p2pfl_me.data.synthetic.film import FilmPlan, film_frames
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
BITS, BLOCK = 12, 16
CAMERA_FPS = 30.0
"""Chromium plays an MJPEG file at this rate, over and over."""

READ_CODE = """
([bits, block]) => {
  const video = document.getElementById("video"), codes = (window.codes = []);
  const canvas = new OffscreenCanvas(bits * block, block);
  const context = canvas.getContext("2d", {willReadFrequently: true});
  const read = (now, about) => {
    const top = video.videoHeight - block;
    context.drawImage(video, 0, top, bits * block, block, 0, 0, bits * block, block);
    const row = context.getImageData(0, block / 2, bits * block, 1).data;
    let number = 0;
    for (let bit = 0; bit < bits; bit++) number += row[4 * (bit * block + block / 2)] > 128 ? 2 ** bit : 0;
    codes.push([about.mediaTime, number]);
    if (codes.length < 40) video.requestVideoFrameCallback(read);
  };
  video.requestVideoFrameCallback(read);
}
"""


def write_camera_film(plan: FilmPlan, path: Path) -> int:
    """The film as Chromium's fake camera takes it, each frame with its number in black and white at its lower edge."""
    count = 0
    with path.open("wb") as file:
        for number, frame in enumerate(film_frames(plan)):
            for bit in range(BITS):
                frame[-BLOCK:, bit * BLOCK : (bit + 1) * BLOCK] = 255 * (number >> bit & 1)
            _, data = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, 92))
            file.write(data.tobytes())
            count += 1
    return count


@contextmanager
def chromium(camera: Path | None = None) -> Iterator[Browser]:
    """A fresh browser with an empty profile; without a camera film it has no camera."""
    fake = ("--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={camera}") if camera else ()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=[*FLAGS, *fake])
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
        command.finish(timeout_s=10)


def watch_camera(page: Page, url: str) -> None:
    """Agree and start."""
    page.goto(url)
    page.get_by_role("checkbox").check()
    page.get_by_role("button", name="Start the camera").click()
    page.locator("#stage").wait_for()
    page.evaluate(READ_CODE, [BITS, BLOCK])


def film_begin_s(page: Page) -> float:
    """Where the film's first frame lies on the camera's clock, in seconds: by the numbers in the pictures."""
    codes: list[tuple[float, int]] = page.evaluate("window.codes")
    return statistics.median(stamp - number / CAMERA_FPS for stamp, number in codes)


def page_events(page: Page) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = page.evaluate("window.p2pme.events")
    return events


def watched_fps(page: Page) -> float:
    """Pictures a second that were watched last, as the page shows it; 0 before it knows."""
    words = page.locator("#meter-camera .note").inner_text().split()
    return float(words[0]) if words else 0.0

"""The page in a headless Chromium whose camera is a drawn film: the planted intervals, the words, the download."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest

from p2pfl_me.data.synthetic.film import Act, film_seconds, plan_acts
from p2pfl_me.live.rates import LEAST_FPS
from p2pfl_me.spotting.interval import Interval, Kind
from p2pfl_me.spotting.metric import Film, score
from tests.live.conftest import PLAN

pytest.importorskip("playwright", reason="playwright is not installed")
from tests.live.browser import (
    CHROMIUM,
    chromium,
    film_begin_s,
    page_events,
    serving,
    watch_camera,
    watched_fps,
    write_camera_film,
)

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on this machine (Debian: apt-get install chromium)"
)


def test_the_camera_is_watched_and_its_planted_expressions_are_marked(tmp_path: Path) -> None:
    camera = tmp_path / "camera.mjpeg"
    write_camera_film(PLAN, camera)
    with serving(tmp_path / "home") as url, chromium(camera) as browser:
        # The numbers in the pictures are read by a script of the test, which the page's own policy would not run.
        context = browser.new_context(bypass_csp=True, viewport={"width": 720, "height": 560})
        page = context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(url)
        assert page.get_by_role("button", name="Start the camera").is_disabled(), "nothing starts without consent"
        assert page.locator("#notice").is_hidden()
        watch_camera(page, url)
        assert "Nothing is recorded" in page.locator("#notice").inner_text()
        page.wait_for_timeout(1000 * (film_seconds(PLAN) - 0.2))
        page.get_by_role("button", name="Stop").click()
        watched = watched_fps(page)
        if watched < LEAST_FPS + 5:
            pytest.skip(f"real time is too much for this machine now: {watched:g} pictures a second were watched")
        begin = film_begin_s(page)
        with page.expect_download() as download:
            page.get_by_role("button", name="Download intervals").click()
        rows = list(csv.DictReader(Path(download.value.path()).read_text().splitlines()))
        events = page_events(page)
        if folder := os.environ.get("P2PME_SCREENSHOTS"):
            page.screenshot(path=Path(folder) / "live.png", full_page=True)
        assert not errors
    truth = tuple(Interval(act.onset_s, act.offset_s, Kind.MICRO) for act in plan_acts(PLAN) if act.kind is Act.MICRO)
    spotted = tuple(
        Interval(event["onset"] - begin, event["offset"] - begin, Kind(event["kind"]))
        for event in events
        if event["kind"] in list(Kind)
    )
    counts = score([Film(truth, spotted)]).overall
    assert (counts.tp, counts.fp, counts.fn) == (len(truth), 0, 0), events
    assert [row["onset_s"] for row in rows] == [str(event["onset"]) for event in events]
    assert set(rows[0]) == {
        "person",
        "kind",
        "label",
        "probability",
        "onset_s",
        "apex_s",
        "offset_s",
        "where",
        "evidence",
    }


def test_without_a_camera_the_page_says_what_to_do(tmp_path: Path) -> None:
    with serving(tmp_path) as url, chromium() as browser:
        page = browser.new_page()
        page.goto(url)
        page.get_by_role("checkbox").check()
        page.get_by_role("button", name="Start the camera").click()
        trouble = page.locator("#trouble-text")
        trouble.wait_for()
        assert "No camera was found" in trouble.inner_text() and "--source FILE" in trouble.inner_text()


def test_a_film_is_shown_and_watched_on_the_same_page(tmp_path: Path, film: Path) -> None:
    with serving(tmp_path, "--source", str(film)) as url, chromium() as browser:
        page = browser.new_page()
        page.goto(url)
        page.get_by_role("checkbox").check()
        page.get_by_role("button", name="Start the film").click()
        page.get_by_text("Learning the neutral face of person 1").wait_for(timeout=30_000)
        assert "The film is being watched" in page.locator("#notice").inner_text()
        assert page.locator("#film").is_visible() and page.locator("#video").is_hidden()

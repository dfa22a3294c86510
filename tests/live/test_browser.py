"""The page in a headless Chromium: planted intervals, absences, the words, the download, browsers that lack something.

The test is the camera and gives each picture when the last was answered: nothing depends on this machine's speed.
"""

from __future__ import annotations

import contextlib
import csv
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from p2pfl_me.live.film import Image, open_film
from p2pfl_me.live.intervals import read_truth
from p2pfl_me.spotting.interval import Interval, Kind
from p2pfl_me.spotting.metric import Film, score

pytest.importorskip("playwright", reason="playwright is not installed")
from playwright.sync_api import Browser, Page, Playwright, Route, TimeoutError, sync_playwright

from tests.live.browser import CHROMIUM, agree, chromium, give_pictures, page_list, serving, start

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on this machine (Debian: apt-get install chromium)"
)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("home")) as address:
        yield address


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as found:
        yield found


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """With a camera of its own: a test picture."""
    with chromium(playwright, camera=True) as found:
        yield found


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh page; what its scripts threw fails the test."""
    # The camera's script stands in the page, whose own policy would not run it.
    context = browser.new_context(bypass_csp=True, viewport={"width": 720, "height": 560})
    found, errors = context.new_page(), []
    found.on("pageerror", lambda error: errors.append(str(error)))
    yield found
    context.close()
    assert not errors


def pictures(film: Path, count: int) -> Iterator[tuple[float, Image]]:
    return ((each.time_s, each.image) for each in islice(open_film(film).pictures(), count))


@pytest.mark.thorough
def test_the_camera_is_watched_and_its_planted_expression_is_marked(url: str, page: Page, beginning: Path) -> None:
    twenty_a_second = (shown for number, shown in enumerate(pictures(beginning, 10_000)) if number % 3)
    give_pictures(page, twenty_a_second)
    page.goto(url)
    assert page.get_by_role("button", name="Start the camera").is_disabled(), "nothing starts without consent"
    assert page.locator("#notice").is_hidden()
    start(page, url)
    page.locator("#stage").wait_for()
    assert "Nothing is recorded" in page.locator("#notice").inner_text()
    page.wait_for_function("window.filmIsOver")
    page.get_by_role("button", name="Stop").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download intervals").click()
    rows = list(csv.DictReader(Path(download.value.path()).read_text().splitlines()))
    events = page_list(page, "events")
    if folder := os.environ.get("P2PME_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / "live.png", full_page=True)
    (truth,) = read_truth(beginning.with_suffix(".csv"), [open_film(beginning)]).values()
    marked = [event for event in events if event["kind"] in list(Kind)]
    spotted = tuple(Interval(event["onset"], event["offset"], Kind(event["kind"])) for event in marked)
    counts = score([Film(truth, spotted)]).overall
    assert (counts.tp, counts.fp, counts.fn) == (len(truth), 0, 0), events
    assert sorted(row["onset_s"] for row in rows) == sorted(str(event["onset"]) for event in events)
    assert ",".join(rows[0]) == "person,kind,label,probability,onset_s,apex_s,offset_s,where,evidence,drawn"
    assert page_list(page, "absences") == []


@pytest.mark.thorough
def test_what_is_not_seen_stands_on_the_page_and_in_the_download(url: str, page: Page, film: Path) -> None:
    def shown() -> Iterator[tuple[float, Image]]:
        faces = [image for _, image in pictures(film, 20)]
        yield from ((index / 20, faces[index % 20]) for index in range(40))
        yield from ((2 + index / 20, np.full_like(faces[0], 90)) for index in range(80))
        yield from ((30 + index / 20, faces[index]) for index in range(4))

    give_pictures(page, shown())
    start(page, url)
    page.wait_for_function("window.filmIsOver")
    page.get_by_text("No picture for 2 s: is the camera still connected?").wait_for()
    assert "The camera gives no picture" in page.locator("#notice").inner_text()
    assert page.locator("#people .person").count() == 0, "who was seen last is not who is seen"
    assert page.locator("#meter-camera b").inner_text() == "–"
    page.evaluate("window.unplug()")
    page.get_by_text("Camera off. The camera is gone: it was unplugged").wait_for()
    page.get_by_text("Nothing is watched any more").wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download intervals").click()
    rows = list(csv.DictReader(Path(download.value.path()).read_text().splitlines()))
    assert [row["kind"] for row in rows] == ["no face", "no picture"]
    assert [float(rows[1][end]) for end in ("onset_s", "offset_s")] == [5.95, 30], "counted from the first picture"
    assert [row.inner_text().split("\t")[1] for row in page.locator("#events tr").all()] == [
        "no picture came",
        "no face was seen",
    ]


@pytest.mark.thorough
@pytest.mark.parametrize(
    "lacking",
    [  # two each that have nothing to do with one another
        "delete window.OffscreenCanvas; delete CanvasRenderingContext2D.prototype.roundRect",
        "delete OffscreenCanvas.prototype.convertToBlob; delete HTMLVideoElement.prototype.requestVideoFrameCallback",
        "delete Array.prototype.at; delete window.createImageBitmap",
    ],
)
def test_a_browser_that_lacks_something_watches_all_the_same(url: str, page: Page, lacking: str) -> None:
    page.add_init_script(lacking)
    start(page, url)
    page.wait_for_function("window.p2pme.reports > 3")
    page.get_by_text("No face is seen").wait_for()


@pytest.mark.thorough
def test_a_browser_that_cannot_read_the_pages_script_is_told(url: str, browser: Browser) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.route("**/page.js", lambda route: route.fulfill(content_type="text/javascript", body="let newer = 1 |> 2;"))
    page.goto(url)
    page.get_by_text("This page has not started").wait_for(state="visible")
    page.unroute("**/page.js")
    held: list[Route] = []
    page.route("**/page.js", lambda route: held.append(route))
    page.reload(wait_until="commit")
    page.wait_for_selector("#unstarted", state="attached")
    while not held:
        page.wait_for_timeout(20)
    assert page.locator("#unstarted").is_hidden(), "who waits for the script is not told that it fails"
    held[0].continue_()
    page.locator("#subtitle", has_text="spots expressions").wait_for()
    assert page.locator("#unstarted").is_hidden()
    context.close()


@pytest.mark.thorough
def test_a_camera_of_more_pixels_than_the_command_takes_is_sent_smaller(url: str, page: Page) -> None:
    page.goto(url)
    for camera, sent in (((640, 480), (640, 480)), ((3840, 2160), (1920, 1080)), ((2400, 5000), (997, 2078))):
        said = page.evaluate("(size) => import('./capture.js').then((room) => room.sentSize(...size))", list(camera))
        assert (said["width"], said["height"]) == sent


@pytest.mark.thorough
def test_a_browser_that_makes_no_jpeg_is_told(url: str, page: Page) -> None:
    page.add_init_script("delete window.OffscreenCanvas; delete HTMLCanvasElement.prototype.toBlob")
    start(page, url)
    page.get_by_text("This browser cannot turn a picture into a JPEG").wait_for()


BEHIND = (
    (
        "HTMLMediaElement.prototype.play = async () => { throw new DOMException('', 'NotAllowedError'); }",
        "be shown",
    ),
    ("window.WebSocket = class { constructor() { throw new DOMException('', 'SecurityError'); } }", "no connection"),
    ("delete window.WebSocket", "no connection"),
)


def test_what_fails_behind_the_camera_is_told_and_leaves_no_camera_on(url: str, page: Page) -> None:
    page.add_init_script(
        "const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices); window.opened = [];"
        "const whole = [HTMLMediaElement.prototype.play, window.WebSocket];"
        "window.mend = () => { [HTMLMediaElement.prototype.play, window.WebSocket] = whole; opened = []; };"
        "navigator.mediaDevices.getUserMedia = async (wanted) => {"
        "const stream = await real(wanted); opened.push(...stream.getTracks()); return stream; };"
    )
    agree(page, url)
    for lacking, words in BEHIND:
        page.evaluate(f"() => {{ mend(); {lacking}; }}")
        page.get_by_role("button", name="Start the camera").click()
        page.locator("#trouble", has_text=words).wait_for()
        assert page.evaluate("opened.map((track) => track.readyState)") == ["ended"]
        assert page.get_by_role("button", name="Start the camera").is_enabled()
    page.evaluate("mend()")
    page.get_by_role("button", name="Start the camera").click()
    page.wait_for_function("window.p2pme.reports > 1")
    assert page.locator("#trouble").is_hidden()


REFUSALS = {
    "NotAllowedError": "was not allowed to use the camera",
    "NotReadableError": "another program may hold it",
    "AbortError": "stopped before it gave a picture",
    "SecurityError": "forbids pages the camera",
    "StrangeError": "something odd",
}


def refused(page: Page, error: str) -> None:
    """A camera that cannot be had for `error`, an expression of what is asked for, until it is null."""
    page.add_init_script(
        "const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);"
        f"window.refusal = (wanted) => {error}; navigator.mediaDevices.getUserMedia = async (wanted) => {{"
        "const error = refusal(wanted); if (error) throw error; return real(wanted); };"
    )


@pytest.mark.thorough
def test_after_a_refused_camera_one_may_start_again(url: str, page: Page) -> None:
    refused(page, "null")
    agree(page, url)
    begin = page.get_by_role("button", name="Start the camera")
    for name, words in REFUSALS.items():
        page.evaluate(f"() => {{ refusal = () => new DOMException('something odd', '{name}'); }}")
        begin.click()
        page.get_by_text(words).wait_for()
    page.evaluate("() => { refusal = () => null; }")
    begin.click()
    page.wait_for_function("window.p2pme.reports > 1")
    assert page.locator("#trouble").is_hidden()


@pytest.mark.thorough
def test_a_camera_that_cannot_give_what_is_asked_gives_what_it_has_or_a_reason(url: str, page: Page) -> None:
    refused(page, "new OverconstrainedError('frameRate', '')")
    start(page, url)
    page.get_by_text("gives no picture of the size or rate that was asked for (frameRate).").wait_for()
    page.evaluate("const none = refusal; refusal = (wanted) => (wanted.video === true ? null : none(wanted)); null")
    page.get_by_role("button", name="Start the camera").click()
    page.wait_for_function("window.p2pme.reports > 1")


@pytest.mark.thorough
def test_a_page_too_many_is_told_so(url: str, browser: Browser, beginning: Path) -> None:
    contexts = [browser.new_context(bypass_csp=True) for _ in range(5)]
    pages = [context.new_page() for context in contexts]
    for each in pages[:4]:  # which have nothing more to do once they are there
        give_pictures(each, pictures(beginning, 2))
    for each in pages[:4]:
        start(each, url)
        each.wait_for_function("window.p2pme.reports > 0")
    start(pages[4], url)
    pages[4].get_by_text("Too many pages are open already. Close one").wait_for()
    contexts[0].close()
    again = pages[4].get_by_role("button", name="Start the camera")
    for _ in range(20):  # the command has to hear of the page that is gone; until then there are too many
        if again.is_visible() and again.is_enabled():
            again.click()
        with contextlib.suppress(TimeoutError):
            pages[4].wait_for_function("window.p2pme.reports > 0", timeout=3_000)
            break
    else:
        raise AssertionError("the page that is gone kept its place")
    for context in contexts[1:]:
        context.close()


def test_without_a_camera_the_page_says_what_to_do(url: str, playwright: Playwright) -> None:
    with chromium(playwright, camera=False) as browser:
        page = browser.new_page()
        start(page, url)
        trouble = page.locator("#trouble-text")
        trouble.wait_for()
        assert "No camera was found" in trouble.inner_text() and "--source FILE" in trouble.inner_text()
        page.emulate_media(media="print")
        assert page.locator("#consent").is_visible(), "a board reads on paper what is asked, and no empty sheet"


def see_it_watched(page: Page) -> None:
    """The film's own picture stands on the page, and the notice says what is going on."""
    page.get_by_text("Learning the neutral face of person 1 for").wait_for()
    assert "The film is being watched" in page.locator("#notice").inner_text()
    assert page.locator("#film").is_visible() and page.locator("#video").is_hidden()


@pytest.mark.thorough
def test_a_film_is_shown_by_a_browser_that_lacks_bitmaps_too(tmp_path: Path, film: Path, page: Page) -> None:
    page.add_init_script("delete window.createImageBitmap")
    with serving(tmp_path, "--source", str(film)) as url:
        start(page, url, "film")
        see_it_watched(page)


@pytest.mark.thorough
def test_a_film_that_is_over_is_shown_again_with_its_events(tmp_path: Path, beginning: Path, page: Page) -> None:
    page.set_viewport_size({"width": 1280, "height": 800})
    with serving(tmp_path, "--source", str(beginning)) as url:
        start(page, url, "film")
        see_it_watched(page)
        assert page.locator("#replay").is_hidden(), "not while it is watched"
        page.get_by_text("The film is over.").wait_for()
    event = next(each for each in page_list(page, "events") if each["kind"] in {"micro", "macro"})
    seek = page.get_by_role("slider")
    assert page.locator("#state").inner_text() == "Shown again, no event here"
    assert page.evaluate("window.p2pme.marks") == {}, "no box bears the name of what is past"
    seek.evaluate(
        "(input, to) => { input.value = to; input.dispatchEvent(new Event('input')); }",
        (event["onset"] + event["offset"]) / 2,
    )
    page.get_by_text("Shown again, person 1: ").wait_for()
    assert list(page.evaluate("window.p2pme.marks")) == ["1"]
    assert page.locator("#events tr.now").count() == 1
    page.locator("#events tr.now button").click()
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Play").wait_for()
    page.emulate_media(media="print")
    assert page.locator("#film").is_hidden() and page.locator("#overlay").is_hidden(), "no face goes to paper"
    assert page.locator("#timeline").is_visible() and page.locator("#events tr").first.is_visible()
    page.emulate_media(media="screen")
    if folder := os.environ.get("P2PME_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / "replay.png")
    for part in ("#film", "#replay", "#meters", "#events", "#timeline"):
        box = page.locator(part).bounding_box()
        assert box is not None and box["y"] >= 0 and box["y"] + box["height"] <= 800, (
            f"{part} is seen without scrolling"
        )
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280

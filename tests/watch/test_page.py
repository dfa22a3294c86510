"""The page in a headless Chromium: colours, curves, table and events are those of the folder, as it grows."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from p2pfl_me.run.events import Finish, Link, LinkState, Reason
from p2pfl_me.watch.view import RunView
from tests.run.making import a_round, log, start, trained

pytest.importorskip("playwright", reason="playwright is not installed")
pytest.importorskip("uvicorn", reason="pip install 'p2pfl_me[live]'")
from playwright.sync_api import sync_playwright

from tests.live.browser import CHROMIUM, chromium

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on this machine (Debian: apt-get install chromium)"
)
CONTRACT = "version: 1\nname: trio\ntopology: {kind: ring}\npeers:\n  loopback: {count: 3}\ntraining: {rounds: 4}\n"


@pytest.fixture
def run(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    scores = getattr(request, "param", (0.25, 0.5, 0.75))
    (tmp_path / "contract.yaml").write_text(CONTRACT)
    for peer, uf1 in enumerate(scores):
        links = [Link(other, LinkState.UP) for other in range(3) if other != peer]
        log(tmp_path, peer, start(), *links, a_round(0, uf1))
    log(tmp_path, 0, trained(1.0, 1))
    return tmp_path


@pytest.fixture
def url(run: Path) -> Iterator[str]:
    import uvicorn

    from p2pfl_me.live.guard import Gate
    from p2pfl_me.live.loopback import listen
    from p2pfl_me.watch.server import make_app

    listening = listen(0)
    gate = Gate(listening.getsockname()[1])
    server = uvicorn.Server(uvicorn.Config(make_app(RunView(run), gate), log_level="error", lifespan="off"))
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined, method-assign]
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    listening.listen()
    thread.start()
    yield gate.url
    server.should_exit = True
    thread.join(30)


def test_it_shows_the_run_and_follows_it(run: Path, url: str) -> None:
    with sync_playwright() as playwright, chromium(playwright, camera=False) as browser:
        page = browser.new_page(viewport={"width": 390, "height": 800})
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        page.goto(url)
        page.wait_for_selector("#rows tr")
        assert page.locator("#unstarted").is_hidden()
        assert page.inner_text("#name") == "trio" and page.inner_text("#uf1") == "0.500"
        assert page.inner_text("#network") == RunView(run).state()["network"]
        assert page.inner_text("#worst") == "0.250" and page.inner_text("#round") == "1 of 4"
        kinds = {
            each.get_attribute("data-peer"): each.get_attribute("class") for each in page.query_selector_all(".peer")
        }
        assert kinds == {"0": "peer waiting", "1": "peer training", "2": "peer training"}
        assert len(page.query_selector_all(".link.waits")) == 2 and len(page.query_selector_all(".line")) == 4
        assert page.text_content("#curve .mean:not(.line)") == "mean of 3", "a thick line says what it is"
        key = page.inner_text("#kinds").split()
        assert key == ["training", "waiting", "waited", "for"], "it speaks of what is drawn"
        assert page.evaluate("document.documentElement.scrollWidth") <= 390  # nothing runs out of a narrow screen
        for letters in ("#curve .tick", "#graph .peer text"):
            # Found and measured in one step: the page draws anew while it is looked at.
            height = page.evaluate("each => document.querySelector(each).getBoundingClientRect().height", letters)
            assert height >= 11, f"{letters} can be read on a phone"
        hidden = page.evaluate(
            """(() => { const words = [...document.querySelectorAll("#curve .tick")];
            const boxes = words.map((each) => each.getBoundingClientRect());
            const meet = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
            return words.filter((_, place) => boxes.slice(place + 1).some((box) => meet(boxes[place], box)))
              .map((each) => each.outerHTML); })()"""
        )
        assert not hidden, "no word of the axes lies on another"
        page.click("#table th:nth-child(4) button")
        page.click("#table th:nth-child(4) button")
        assert [row.split()[0] for row in page.locator("#rows tr").all_inner_texts()] == ["2", "1", "0"]

        log(run, 1, Finish(Reason.DIVERGED, None, "the loss is no number"))
        page.wait_for_selector('.peer.trouble[data-peer="1"]')
        looks = page.evaluate(
            "[...document.querySelectorAll('.peer rect')].map(mark => [getComputedStyle(mark).fill === "
            "getComputedStyle(document.body).backgroundColor, mark.getAttribute('rx') > 0])"
        )
        assert sorted(looks) == [[False, False], [False, True], [True, True]], "a state has a shape, not a colour alone"
        assert page.inner_text("#rows tr:first-child td") == "2", "what was asked for stays"
        assert " up" not in page.inner_text("#rows tr.trouble"), "whose process has ended has no link"
        log(run, 0, a_round(1, 0.9))
        page.wait_for_selector("#rows td:text-is('0.900')")
        assert "refused" not in page.inner_text("#events")
        assert errors == []


@pytest.mark.thorough
@pytest.mark.parametrize("run", [(0.25, 0.75, None)], indirect=True)
def test_a_peer_that_is_asked_nothing_takes_nothing_from_the_mean(run: Path, url: str) -> None:
    for peer, uf1 in enumerate((0.5, 0.9, None)):
        log(run, peer, a_round(1, uf1))
    with sync_playwright() as playwright, chromium(playwright, camera=False) as browser:
        page = browser.new_page()
        page.goto(url)
        page.wait_for_selector("#rows td:text-is('0.900')")
        assert page.inner_text("#uf1") == "0.700" and page.inner_text("#worst") == "0.500"
        heights, *each = (
            [float(place) for place in re.findall(r"[0-9.]+ ([0-9.]+)", page.get_attribute(line, "d") or "")]
            for line in ("path.line.mean", 'path.line[data-peer="0"]', 'path.line[data-peer="1"]')
        )
        assert len(heights) == 2, "there is a mean of both rounds"
        assert heights == pytest.approx([(one + other) / 2 for one, other in zip(*each, strict=True)], abs=0.1)


def test_without_the_addresss_secret_nothing_is_shown(url: str) -> None:
    import urllib.error
    import urllib.request

    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(url.rsplit("/", 2)[0] + "/state.json", timeout=10)

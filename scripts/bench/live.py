#!/usr/bin/env python
"""The live page: spotting F1 over drawn films, and how fast pictures are watched, in-process and in Chromium.

python scripts/bench/live.py films [--seeds 11 12 ...] [--amplitude 1.0]    F1 of ten micro-expressions a film
python scripts/bench/live.py rate [MODEL]                                   pictures a second and p95, no browser
PYTHONPATH=. python scripts/bench/live.py page [MODEL] [--seed 11] [--screenshot FILE]   as Chromium's camera
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from p2pfl_me.data.synthetic.film import Act, FilmPlan, film_frames, film_seconds, plan_acts
from p2pfl_me.data.synthetic.film_file import write_film
from p2pfl_me.live.film import open_film
from p2pfl_me.live.load import load_namer
from p2pfl_me.live.messages import CameraPicture, decode
from p2pfl_me.live.scoring import score_films, score_text
from p2pfl_me.live.watcher import Watcher
from p2pfl_me.live.whole import spot_film, watch_film
from p2pfl_me.spotting.interval import Interval, Kind
from p2pfl_me.spotting.metric import Film, score
from p2pfl_me.spotting.settings import SpotterSettings

PLAN = FilmPlan(micro=10, blinks=5, turns=5)


def machine() -> None:
    load = os.getloadavg()[0]
    print(f"Python {platform.python_version()}, OpenCV {cv2.__version__}, {os.cpu_count()} cores, load {load:.1f}")


def films(seeds: list[int], amplitude: float) -> None:
    """Ten micro-expressions, five blinks, five head turns a film; the film's thresholds and the page's."""
    truth, whole, live, without = {}, [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            plan = replace(PLAN, seed=seed, amplitude=amplitude)
            path = Path(folder) / f"{seed}.avi"
            write_film(plan, path)
            film = open_film(path)
            acts = (act for act in plan_acts(plan) if act.kind is Act.MICRO)
            truth[film.name] = tuple(Interval(act.onset_s, act.offset_s, Kind.MICRO, act.label) for act in acts)
            whole.append((film, spot_film(film, SpotterSettings())))
            live.append((film, watch_film(film, SpotterSettings())))
            if not whole[-1][1]:
                without.append(seed)
            path.unlink()
    print(f"{len(seeds)} films, seeds {seeds}, amplitude {amplitude:g}; nothing spotted at all in {without}")
    print("the film's thresholds:", score_text(score_films(truth, whole)), sep="\n")
    print("as the page decides:", score_text(score_films(truth, live)), sep="\n")


def rate(model: Path | None) -> None:
    """From JPEG to report, one picture after the other: 640x480, one face, the acts of a film among them."""
    namer = load_namer(model, None, None, 0.0) if model else None
    watcher = Watcher(SpotterSettings(), namer)
    plan = FilmPlan(micro=3, blinks=1, turns=1, seed=4)
    pictures = [
        CameraPicture(number, number, number / 30, cv2.imencode(".jpg", frame[..., ::-1])[1].tobytes())
        for number, frame in enumerate(film_frames(plan))
    ]
    took, named = [], 0
    for picture in pictures:
        begun = time.perf_counter()
        report = watcher.push(picture.time_s, decode(picture.jpeg), picture.taken)
        took.append(time.perf_counter() - begun)
        named += sum(told.name is not None for told in report.events)
    middle, high, most = 1000 * np.quantile(took, (0.5, 0.95, 1))
    print(
        f"{len(took) / sum(took):.0f} pictures/s; decode and watch {middle:.1f} ms in the middle, 95 % within "
        f"{high:.1f} ms, at most {most:.1f} ms; {named} named"
    )


def page(seed: int, model: Path | None, screenshot: Path | None) -> None:
    """The film through the browser's camera, at 30 pictures a second."""
    from tests.live.browser import chromium, film_begin_s, page_events, serving, watch_camera, write_camera_film

    plan = replace(PLAN, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        camera = Path(folder) / "camera.mjpeg"
        write_camera_film(plan, camera)
        with serving(Path(folder) / "home", *([str(model)] if model else [])) as url, chromium(camera) as browser:
            shown = browser.new_context(bypass_csp=True, viewport={"width": 1280, "height": 1000}).new_page()
            watch_camera(shown, url)
            shown.wait_for_timeout(1000 * (film_seconds(plan) - 0.2))
            events, begin = page_events(shown), film_begin_s(shown)
            meters = shown.locator("#meters").inner_text().replace("\n", " ")
            if screenshot:
                shown.screenshot(path=screenshot, full_page=True)
    spotted = tuple(
        Interval(event["onset"] - begin, event["offset"] - begin, Kind(event["kind"]))
        for event in events
        if event["kind"] in list(Kind)
    )
    acts = (act for act in plan_acts(plan) if act.kind is Act.MICRO)
    truth = tuple(Interval(act.onset_s, act.offset_s, Kind.MICRO) for act in acts)
    print(f"seed {seed}, {film_seconds(plan):.0f} s in Chromium: {meters}")
    print(score_text(score([Film(truth, spotted)])))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("films", "rate", "page"))
    parser.add_argument("model", nargs="?", type=Path)
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(11, 21)))
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--amplitude", type=float, default=1.0)
    parser.add_argument("--screenshot", type=Path)
    options = parser.parse_args()
    if options.what == "films":
        films(options.seeds, options.amplitude)
    elif options.what == "rate":
        rate(options.model)
    else:
        page(options.seed, options.model, options.screenshot)
    machine()


if __name__ == "__main__":
    main()

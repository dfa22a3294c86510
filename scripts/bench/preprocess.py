#!/usr/bin/env python
"""Preprocessing of clips as published ones are: 200 JPEG frames of 640x480, drawn faces, onset and apex known.

    python scripts/bench/preprocess.py [--clips 60]

The first run reads onset and apex, finds and aligns the face, takes flow and strain; the second finds all in the cache.
Beside them what each clip costs one core, step by step, and plain decoding of the same two frames on all cores.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from p2pfl_me.contract.preprocess import FlowMethod, HeadMotion, Input, Preprocess
from p2pfl_me.data.clip import Clip
from p2pfl_me.data.images import read_image
from p2pfl_me.data.preprocess.alignment import align_face, align_whole
from p2pfl_me.data.preprocess.faces import find_face
from p2pfl_me.data.preprocess.flow import FlowRecipe, flow_image
from p2pfl_me.data.preprocess.note import counts
from p2pfl_me.data.preprocess.prepare import Prepared, prepare_clips
from p2pfl_me.data.preprocess.recipe import Recipe
from p2pfl_me.data.synthetic.clip import CAMERAS
from p2pfl_me.data.synthetic.expression import PROTOTYPES, draw_style
from p2pfl_me.data.synthetic.face import draw_face
from p2pfl_me.data.synthetic.scene import Stage, draw_scene, scene_frame

STAGE = Stage()
DRAWN = 10
"""Frames drawn of each clip; the other files are links to them: nobody opens them, but their names are read."""


def draw(folder: Path, number: int) -> Clip:
    """One clip of one subject: 200 files, of which onset and apex differ from all others."""
    random = np.random.default_rng(number)
    face, label = draw_face(random), list(PROTOTYPES)[number % len(PROTOTYPES)]
    camera = CAMERAS[list(CAMERAS)[number % len(CAMERAS)]]
    scene = draw_scene(face, draw_style(random), camera, label, 0.5, random)
    folder.mkdir()
    chosen = sorted({1, STAGE.apex, *np.linspace(2, STAGE.frames, DRAWN - 2).astype(int).tolist()})
    for frame in chosen:
        image = scene_frame(scene, STAGE, frame, random)
        cv2.imwrite(str(folder / f"img{frame:03d}.jpg"), image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
    for frame in set(range(1, STAGE.frames + 1)) - set(chosen):
        (folder / f"img{frame:03d}.jpg").hardlink_to(folder / f"img{max(c for c in chosen if c < frame):03d}.jpg")
    return Clip(folder, "bench", f"bench/{number}", str(number), label, 1, STAGE.apex, STAGE.frames)


def timed(work: Callable[[], Prepared]) -> tuple[float, Prepared]:
    begun = time.perf_counter()
    done = work()
    return time.perf_counter() - begun, done


def steps(clips: Sequence[Clip]) -> dict[str, float]:
    """Milliseconds a clip on one core."""
    spent = dict.fromkeys(("decode", "find", "align", "flow and strain"), 0.0)
    recipe = FlowRecipe(FlowMethod.DIS, HeadMotion.RIGID, aligned=True)
    cv2.setNumThreads(1)
    for clip in clips:
        marks = [time.perf_counter()]
        frames = [read_image(clip.path / f"img{number:03d}.jpg") for number in (1, STAGE.apex)]
        marks.append(time.perf_counter())
        face = find_face(frames[0])
        marks.append(time.perf_counter())
        alignment = align_face(face) if face else align_whole(STAGE.width, STAGE.height)
        onset, apex = (alignment.picture(frame) for frame in frames)
        marks.append(time.perf_counter())
        flow_image(onset, apex, recipe, 64)
        marks.append(time.perf_counter())
        for name, seconds in zip(spent, np.diff(marks), strict=True):
            spent[name] += 1000 * float(seconds) / len(clips)
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=60)
    options = parser.parse_args()
    recipe = Recipe(Input.FLOW, 64, Preprocess.model_validate({"align": "face", "head_motion": "rigid"}))
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(os.cpu_count()) as pool:
        folder = Path(name)
        clips = list(pool.map(lambda number: draw(folder / f"{number:03d}", number), range(options.clips)))
        (folder / "warm").mkdir()
        prepare_clips(clips[:2], recipe, folder / "warm")
        first, made = timed(lambda: prepare_clips(clips, recipe, folder))
        second, found = timed(lambda: prepare_clips(clips, recipe, folder))
        assert found.keys == made.keys
        begun = time.perf_counter()
        list(pool.map(read_image, (clip.path / f"img{n:03d}.jpg" for clip in clips for n in (1, STAGE.apex))))
        plain = time.perf_counter() - begun
        shares = steps(clips)
    rate = len(clips) / first
    print(f"{len(clips)} clips of {STAGE.frames} JPEG frames, {STAGE.width}x{STAGE.height}: faces {counts(made.notes)}")
    print(f"first run   {first:6.2f} s  {rate:7.1f} clips/s  ({first / plain:.1f} times decoding the two frames)")
    print(f"second run  {second:6.2f} s  {len(clips) / second:7.1f} clips/s")
    print("one core, ms a clip: " + ", ".join(f"{name} {value:.1f}" for name, value in shares.items()))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"memory {memory:.2f} GB, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"Python {platform.python_version()}, OpenCV {cv2.__version__}, numpy {np.__version__}")


if __name__ == "__main__":
    main()

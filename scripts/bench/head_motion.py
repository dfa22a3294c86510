#!/usr/bin/env python
"""How well each way of `model.preprocess.head_motion` knows the head of a drawn face that shows an expression.

    python scripts/bench/head_motion.py [--clips 24] [--amplitude 0.3]

The drawn head's true motion is known at every pixel. Printed is the root mean square error over the face, in pixels of
the aligned picture (192x192, eyes 63 apart), of faces aligned by their true eyes; median and worst of the clips.
"""

from __future__ import annotations

import argparse
import platform

import cv2
import numpy as np
import numpy.typing as npt

from p2pfl_me.contract.preprocess import FlowMethod, HeadMotion, Region
from p2pfl_me.data.preprocess.alignment import SIDE, Alignment, align_eyes
from p2pfl_me.data.preprocess.flow import flow_field
from p2pfl_me.data.preprocess.head import head_motion
from p2pfl_me.data.preprocess.regions import mask
from p2pfl_me.data.synthetic.clip import CAMERAS
from p2pfl_me.data.synthetic.expression import PROTOTYPES, draw_style
from p2pfl_me.data.synthetic.face import draw_face
from p2pfl_me.data.synthetic.scene import Stage, draw_scene, scene_frame

Numbers = npt.NDArray[np.float64]
STAGE = Stage()
CORNERS = ((0.2, 0.2), (0.8, 0.2), (0.2, 0.8))
"""Three points of the drawing fix a similarity."""


def truth(alignment: Alignment, before: Numbers, after: Numbers) -> Numbers:
    """Where the head carries each pixel of the aligned picture, float64 (S, S, 2)."""
    places = [np.array([STAGE.place(corner, pose) for corner in CORNERS]) for pose in (before, after)]
    start, end = (points @ alignment.matrix[:, :2].T + alignment.matrix[:, 2] for points in places)
    carried = cv2.getAffineTransform(start.astype(np.float32), end.astype(np.float32))
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float64)
    pixels = np.stack((x, y), axis=-1)
    return np.asarray(pixels @ carried[:, :2].T + carried[:, 2] - pixels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--amplitude", type=float, default=0.3)
    options = parser.parse_args()
    face, errors = mask((Region.FACE,), SIDE), {(method, how): [] for method in FlowMethod for how in HeadMotion}
    for number in range(options.clips):
        random = np.random.default_rng(1000 + number)
        drawn = draw_face(random)
        label = list(PROTOTYPES)[number % len(PROTOTYPES)]
        scene = draw_scene(drawn, draw_style(random), CAMERAS["lab-a"], label, options.amplitude, random)
        left, right = (STAGE.place(drawn.landmarks[f"eye_{side}"], scene.pose) for side in ("left", "right"))
        alignment = align_eyes(left, right)
        onset, apex = (alignment.picture(scene_frame(scene, STAGE, frame, random)) for frame in (1, STAGE.apex))
        apex_pose = scene.pose + scene.drift * (STAGE.apex - 1) / (STAGE.frames - 1)
        true = truth(alignment, scene.pose, apex_pose)
        for method in FlowMethod:
            flow = flow_field(onset, apex, method)
            for how in HeadMotion:
                off = head_motion(flow, how, aligned=True) - true
                errors[method, how].append(float(np.sqrt((off[face] ** 2).sum(axis=-1).mean())))
    print(f"{options.clips} clips, amplitude {options.amplitude:g}")
    for (method, how), found in errors.items():
        print(f"{method:10} {how:7} median {np.median(found):.2f}  worst {max(found):.2f} pixels")
    print(f"Python {platform.python_version()}, OpenCV {cv2.__version__}, numpy {np.__version__}")


if __name__ == "__main__":
    main()

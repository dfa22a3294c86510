"""OpenCV's reader of films, silent: what is wrong with a film is said in the user's words."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from p2pfl_me.files import require_regular

Image = npt.NDArray[np.uint8]


def open_capture(path: Path) -> cv2.VideoCapture:
    """A film from its beginning; whether it is one, `isOpened` says."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # the decoders would say it in their words, too
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        require_regular(path)
    except OSError:  # a pipe would be waited for
        return cv2.VideoCapture()
    return cv2.VideoCapture(str(path))


def next_picture(capture: cv2.VideoCapture) -> Image | None:
    """The next picture, uint8 (H, W, 3) BGR, or the bytes of the next packet; None where there is none."""
    read, bgr = capture.read()
    return np.asarray(bgr, dtype=np.uint8) if read else None

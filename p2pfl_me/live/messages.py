"""What page and server say to each other: pictures in with a small header, reports out as JSON."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from p2pfl_me.data.extent import JPEG, extent_of
from p2pfl_me.errors import WireError
from p2pfl_me.live.absence import Absence
from p2pfl_me.live.watcher import Report, Told, Watcher
from p2pfl_me.spotting.event import Verdict

Image = npt.NDArray[np.uint8]

HEADER = struct.Struct("<IId")
"""Number of the picture, the camera's count of pictures, time stamp in milliseconds; then the JPEG."""
MOST_BYTES = 4 * 2**20
MOST_PIXELS = 1920 * 1080
CONSENT = "consent"
"""The page's first word; no picture is taken before it."""


@dataclass(frozen=True, eq=False)
class CameraPicture:
    """One picture of the page's camera, still as JPEG."""

    number: int
    taken: int
    time_s: float
    jpeg: bytes = field(repr=False)


def read_picture(message: bytes) -> CameraPicture:
    """Take a picture's message apart.

    Raises
    ------
    WireError
        Too short, too long, or a time that is no time.
    """
    if not HEADER.size < len(message) <= MOST_BYTES:
        raise WireError(f"a picture's message of {len(message)} bytes", fix="reload the page")
    number, taken, stamp = HEADER.unpack_from(message)
    if not 0 <= stamp < 1e12:
        raise WireError("a picture without a time", fix="reload the page")
    return CameraPicture(number, taken, stamp / 1000, message[HEADER.size :])


def decode(jpeg: bytes) -> Image:
    """The JPEG as uint8 (H, W, 3) RGB.

    Raises
    ------
    WireError
        It is none, or has more pixels than 1920x1080; then it is not decoded.
    """
    width, height = (extent_of(jpeg) if jpeg.startswith(JPEG) else None) or (0, 0)
    if not 0 < width * height <= MOST_PIXELS:
        raise WireError("what the page sent is no picture of up to 1920x1080", fix="reload the page")
    try:
        image = cv2.imdecode(np.frombuffer(jpeg, dtype=np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        image = None
    if image is None:
        raise WireError("what the page sent is a damaged picture", fix="reload the page")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def encode(image: Image) -> bytes:
    """A film's picture for the page to show."""
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, 85))
    return data.tobytes()


def report_json(number: int, report: Report, work_ms: float) -> str:
    """A report as the page takes it; no picture is in it."""
    return json.dumps(
        {
            "number": number,
            "time": round(report.time_s, 4),
            "cameraFps": _rounded(report.camera_fps),
            "watchedFps": _rounded(report.watched_fps),
            "dropped": report.dropped,
            "workMs": round(work_ms, 2),
            "persons": [
                {
                    "person": seen.person,
                    "box": [round(value, 1) for value in (seen.x, seen.y, seen.side)],
                    "state": seen.state.value,
                    "progress": round(seen.progress, 3),
                    "evidence": _rounded(seen.evidence),
                    "threshold": _rounded(seen.threshold),
                    "evidenceTime": _rounded(seen.evidence_s, 3),
                    "index": _rounded(seen.index),
                }
                for seen in report.persons
            ],
            "events": [_told(told) for told in report.events],
            "absences": [_absence(each) for each in report.absences],
            "lacking": _absence(report.lacking) if report.lacking else None,
        }
    )


def end_json(watcher: Watcher) -> str:
    """That a film is over, with what was still waited for, and what was not seen of it in words."""
    told, absences = watcher.finish(), [_absence(each) for each in watcher.absence.finish()]
    words = watcher.absence.words()
    return json.dumps({"say": "end", "events": [_told(each) for each in told], "absences": absences, "words": words})


def _absence(absence: Absence) -> dict[str, Any]:
    return {"kind": absence.kind.value, "onset": round(absence.onset_s, 3), "offset": round(absence.offset_s, 3)}


def _told(told: Told) -> dict[str, Any]:
    event, name = told.event, told.name
    return {
        "person": told.person,
        "kind": event.interval.kind.value if event.verdict is Verdict.EXPRESSION else event.verdict.value,
        "onset": round(event.interval.onset_s, 3),
        "apex": round(event.apex_s, 3),
        "offset": round(event.interval.offset_s, 3),
        "where": event.group.value,
        "evidence": round(event.doublings, 2),
        "label": name.label if name and name.sure else "",
        "probability": round(name.probability, 3) if name else None,
        "abstained": bool(name and not name.sure),
    }


def _rounded(value: float | None, digits: int = 2) -> float | None:
    return None if value is None else round(value, digits)

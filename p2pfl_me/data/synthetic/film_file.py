"""A drawn film on the disk: a video file, and beside it a CSV with what was planted in it."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import cv2

from p2pfl_me.atomic import replacing, write_whole
from p2pfl_me.data.drawn_films import sign_film
from p2pfl_me.data.synthetic.film import HEIGHT, WIDTH, FilmPlan, film_frames, film_seconds, plan_acts
from p2pfl_me.errors import DataError
from p2pfl_me.files import refusing
from p2pfl_me.progress import Progress

CODECS = {".avi": "MJPG", ".mp4": "mp4v"}
FIX = "name another folder, or free some space"
COLUMNS = ("film", "kind", "label", "onset_s", "apex_s", "offset_s")


def write_film(plan: FilmPlan, path: Path, progress: Progress | None = None) -> Path:
    """Draw the film into `path` (.avi, which loses least, or .mp4); the path of the CSV with its truth.

    Raises
    ------
    DataError
        Another kind of file, or one that cannot be written.
    """
    codec = CODECS.get(path.suffix.lower())
    if codec is None:
        raise DataError("films are written as .avi or .mp4", where=str(path), fix="name the file so")
    with refusing(DataError, path, FIX), replacing(path, public=True) as draft:
        writer = cv2.VideoWriter(str(draft), cv2.VideoWriter.fourcc(*codec), plan.fps, (WIDTH, HEIGHT))
        try:
            if not writer.isOpened():
                raise DataError("cannot be written", where=str(path), fix=FIX)
            total = max(1, round(film_seconds(plan) * plan.fps))
            for done, frame in enumerate(film_frames(plan), 1):
                writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
                if progress:
                    progress(min(done, total), total)
        finally:
            writer.release()
        sign_film(draft)
    return write_truth(plan, path)


def truth_path(film: Path) -> Path:
    """Where what a film shows is written: FILM.csv beside it, whatever the film's own ending."""
    return film.with_suffix(".csv")


def write_truth(plan: FilmPlan, path: Path) -> Path:
    """What the film at `path` shows, times in seconds from the first frame.

    Raises
    ------
    DataError
        It cannot be written.
    """
    truth, text = truth_path(path), io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for act in plan_acts(plan):
        times = (f"{time:.3f}" for time in (act.onset_s, act.apex_s, act.offset_s))
        writer.writerow([path.name, act.kind.value, act.label, *times])
    with refusing(DataError, truth, FIX):
        write_whole(truth, text.getvalue(), public=True)
    return truth

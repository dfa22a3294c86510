"""One short drawn film for all tests of the room, drawn once."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from p2pfl_me.data.drawn_films import sign_film
from p2pfl_me.data.synthetic.film import FilmPlan, film_frames, plan_acts
from p2pfl_me.data.synthetic.film_file import write_truth
from p2pfl_me.live.film import open_film
from p2pfl_me.live.whole import Result, watch_film
from p2pfl_me.spotting.settings import SpotterSettings

PLAN = FilmPlan(micro=2, blinks=1, turns=1, seed=4)
SIZE = (320, 240)
"""Half of what is drawn, in which a face is found and watched for much less: a picture goes through four programs."""


def written(path: Path, plan: FilmPlan) -> Path:
    """The film of the plan, as `p2pme data film` would write it but for its size."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), plan.fps, SIZE)
    for frame in film_frames(plan):
        writer.write(cv2.cvtColor(cv2.resize(frame, SIZE, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2BGR))
    writer.release()
    sign_film(path)
    write_truth(plan, path)
    return path


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two micro-expressions, a blink and a head turn; FILM.csv beside it."""
    return written(tmp_path_factory.mktemp("films") / "short.avi", PLAN)


@pytest.fixture(scope="session")
def beginning(film: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The film to after its first micro-expression, and that one alone in its CSV."""
    end = 1.4 + min(act.offset_s for act in plan_acts(PLAN) if act.kind == "micro")
    path = tmp_path_factory.mktemp("beginnings") / "beginning.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), PLAN.fps, SIZE)
    for each in open_film(film).pictures():
        if each.time_s <= end:
            writer.write(cv2.cvtColor(each.image, cv2.COLOR_RGB2BGR))
    writer.release()
    head, *rows = film.with_suffix(".csv").read_text().splitlines()
    early = [row.replace(film.name, path.name) for row in rows if float(row.split(",")[5]) < end]
    path.with_suffix(".csv").write_text("\n".join([head, *early]) + "\n")
    return path


@pytest.fixture
def half(film: Path, tmp_path: Path) -> Path:
    """The beginning of the film's file, as after a copy that broke off."""
    path = tmp_path / "half.avi"
    path.write_bytes(film.read_bytes()[:300_000])
    return path


@pytest.fixture(scope="session")
def watched(film: Path) -> Result:
    """What the live page tells of the film."""
    return watch_film(open_film(film), SpotterSettings())

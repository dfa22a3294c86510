"""One short drawn film for all tests of the room, drawn once."""

from __future__ import annotations

from pathlib import Path

import pytest

from p2pfl_me.data.synthetic.film import FilmPlan
from p2pfl_me.data.synthetic.film_file import write_film
from p2pfl_me.live.film import open_film
from p2pfl_me.live.whole import Result, watch_film
from p2pfl_me.spotting.settings import SpotterSettings

PLAN = FilmPlan(micro=2, blinks=1, turns=1, seed=4)


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two micro-expressions, a blink and a head turn; FILM.csv beside it."""
    path = tmp_path_factory.mktemp("films") / "short.avi"
    write_film(PLAN, path)
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

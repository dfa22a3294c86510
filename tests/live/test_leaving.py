"""A face that has gone is held for two seconds more, as heads turn; then it is told since when nobody was there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from p2pfl_me.data.preprocess.faces import EyesSource, Face
from p2pfl_me.live.absence import Lack
from p2pfl_me.live.film import Image, Picture
from p2pfl_me.live.tracker import SEARCH_S
from p2pfl_me.live.whole import Result, spot_film, watch_film
from p2pfl_me.spotting.settings import SpotterSettings
from p2pfl_me.spotting.spotter import Observation
from tests.data.make import picture

FPS, SECONDS, SIDE = 20, 8.0, 64
HELD = Face(16, 16, 32, (26.0, 28.0), (38.0, 28.0), EyesSource.SEEN)
WALL = 250


@dataclass(frozen=True)
class Leaves:
    """Somebody is there but from `gone_s` until `back_s`, when a wall is seen, which no search finds a face in."""

    gone_s: float
    back_s: float

    def pictures(self) -> Iterator[Picture]:
        for count in range(round(SECONDS * FPS)):
            shown = picture(count, SIDE)
            shown[0, 0] = WALL if self.gone_s <= count / FPS < self.back_s else 0
            yield Picture(count / FPS, shown)


def search(image: Image) -> tuple[Face, ...]:
    return () if image[0, 0, 0] == WALL else (HELD,)


def result(film: Leaves, monkeypatch: pytest.MonkeyPatch, *, online: bool) -> Result:
    monkeypatch.setattr("p2pfl_me.live.tracker.find_faces", search)
    monkeypatch.setattr("p2pfl_me.live.person.Person.look", lambda self, time_s, *_: Observation(time_s, None, None))
    return (watch_film if online else spot_film)(film, SpotterSettings())  # type: ignore[arg-type]


@pytest.mark.parametrize("online", [False, True])
@pytest.mark.parametrize(("gone_s", "back_s"), [(2.0, 5.0), (4.9, SECONDS), (6.6, SECONDS)])
def test_a_face_that_leaves_is_told_since_it_was_last_found(
    monkeypatch: pytest.MonkeyPatch, gone_s: float, back_s: float, online: bool
) -> None:
    (absence,) = result(Leaves(gone_s, back_s), monkeypatch, online=online).absences
    assert absence.kind is Lack.FACE
    assert gone_s - SEARCH_S - 0.1 <= absence.onset_s <= gone_s
    assert back_s - 0.1 <= absence.offset_s <= back_s + SEARCH_S + 0.1


@pytest.mark.parametrize("online", [False, True])
def test_a_head_that_turns_for_a_moment_is_there(monkeypatch: pytest.MonkeyPatch, online: bool) -> None:
    assert not result(Leaves(3.0, 4.0), monkeypatch, online=online).absences

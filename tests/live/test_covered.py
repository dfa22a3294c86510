"""A lens that is covered and a flash are no motion of a face: what shows one colour is not observed."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from p2pfl_me.data.preprocess.faces import EyesSource, Face
from p2pfl_me.live.person import Person
from p2pfl_me.spotting.settings import SpotterSettings
from tests.data.make import picture

FPS = 30


@pytest.mark.few(1)
@pytest.mark.parametrize("colour", [0, 128, 255], ids=["black", "grey", "white"])
def test_a_covered_face_is_not_observed_and_nothing_is_compared_with_it(colour: int) -> None:
    shown = cv2.resize(picture(1, 24), (320, 320), interpolation=cv2.INTER_CUBIC)
    covered = np.full_like(shown, colour)
    settings = SpotterSettings()
    person = Person(1, Face(80, 80, 160, (130.0, 140.0), (190.0, 140.0), EyesSource.SEEN), settings)
    seen = []
    for count in range(2 * FPS):
        frame = covered if FPS <= count < FPS + 6 else shown
        seen.append(person.look(count / FPS, frame, cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)))
    assert [place for place, each in enumerate(seen) if each is None] == list(range(FPS, FPS + 6))
    moved = [each.micro for each in seen if each is not None and each.micro is not None]
    assert len(moved) > FPS, "it is observed before and after"
    back = seen[FPS + 6 + round(settings.micro_s * FPS)]
    assert back is not None and back.micro is not None

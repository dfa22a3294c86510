"""From two moments of a face to a class, by a real model in a run folder."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from p2pfl_me.data.preprocess.faces import find_face
from p2pfl_me.data.preprocess.recipe import recipe_of
from p2pfl_me.deploy.predict import predict
from p2pfl_me.learning.recogniser import load_recogniser
from p2pfl_me.live.film import open_film
from p2pfl_me.live.load import load_namer
from p2pfl_me.live.naming import Namer, event_frames, event_images
from p2pfl_me.live.person import Moment, Person
from p2pfl_me.live.whole import Result, watch_film
from p2pfl_me.spotting.event import Verdict
from p2pfl_me.spotting.settings import SpotterSettings
from tests.learning.runs import contract, random_model, write_run

APEX_S = 125 / 30


@pytest.fixture(scope="module")
def event(film: Path) -> tuple[Moment, ...]:
    """From neutral over what the film's person does first."""
    pictures = [picture.image for picture in islice(open_film(film).pictures(), 131)]
    face = find_face(pictures[0])
    assert face is not None
    person = Person(1, face, SpotterSettings())
    for index in range(90, 131):
        person.look(index / 30, pictures[index], pictures[index][..., 0].copy())
    assert person.between(2.0, 3.0) == (), "not held any more"
    return person.between(118 / 30, 130 / 30)


@pytest.mark.parametrize("options", [("model.input=flow",), ("model.input=flow", "model.preprocess.align=face"), ()])
def test_the_model_sees_what_its_contract_says(options: tuple[str, ...], event: tuple[Moment, ...]) -> None:
    recipe = recipe_of(contract(*options).model)
    (image,) = event_images(event, APEX_S, recipe)
    assert image.shape == (64, 64, 3) and image.dtype == np.uint8
    (still,) = event_images((event[0], event[0], replace(event[0], time_s=9.0)), 0.0, recipe)
    if options:
        motionless = np.broadcast_to(np.array((124, 116, 104)), still.shape)
        assert np.abs(still.astype(int) - motionless).max() <= 2
        assert np.abs(image.astype(int) - motionless).max() > 20
    else:
        assert image.std() > 20


@pytest.mark.thorough
@pytest.mark.parametrize(
    "options",
    [
        ("input=flow", "preprocess.align=face", "preprocess.apex=middle", "preprocess.head_motion=rigid"),
        ("input=flow", "preprocess.align=face", "preprocess.apex=greatest_flow", "preprocess.mask=[brows,mouth]"),
        ("input=flow", "preprocess.apex=middle", "preprocess.scale=image"),
        ("input=frames", "preprocess.align=face", "preprocess.frames=4", "preprocess.mask=mouth"),
        ("input=image", "preprocess.apex=middle"),
    ],
)
def test_of_the_same_pictures_predict_and_the_page_say_the_same(
    options: tuple[str, ...], tmp_path: Path, event: tuple[Moment, ...]
) -> None:
    agreed = contract(*(f"model.{option}" for option in options))
    recogniser = load_recogniser(
        write_run(tmp_path / "run", agreed, {peer: random_model(agreed, peer) for peer in range(3)}), home=tmp_path
    )
    (tmp_path / "clip").mkdir()
    for number, frame in enumerate(event_frames(event, recipe_of(agreed.model))):
        cv2.imwrite(str(tmp_path / "clip" / f"{number:03d}.png"), frame[..., ::-1])
    said = predict(recogniser, tmp_path / "clip")
    named = Namer(recogniser).name(event, APEX_S)
    assert named.label == said.label and named.probability == said.probabilities[said.label]


def test_a_face_that_is_not_found_again_is_aligned_by_the_eyes_it_is_held_by(event: tuple[Moment, ...]) -> None:
    recipe = recipe_of(contract("model.input=image", "model.preprocess.align=face").model)
    blank = [replace(each, part=np.full_like(each.part, 90)) for each in event]
    for each in blank:
        x, y = (round(value) for value in each.left_eye)
        each.part[y - 6 : y + 7, x - 6 : x + 7] = 250
    (image,) = event_images(blank, APEX_S, recipe)
    y, x = np.argwhere(image[..., 0] > 170).mean(axis=0)
    assert (x, y) == pytest.approx((64 * (0.5 - 0.33 / 2), 64 * 0.36), abs=1.5)


@pytest.mark.thorough
def test_spotted_expressions_are_named_and_a_second_look_tells_the_same(
    tmp_path: Path, film: Path, watched: Result, event: tuple[Moment, ...]
) -> None:
    agreed = contract("model.input=flow", "model.preprocess.align=face")
    run = write_run(tmp_path / "run", agreed, {peer: random_model(agreed, peer) for peer in range(3)})
    namer = load_namer(run, "torch", None, 0.0)
    named = watch_film(open_film(film), SpotterSettings(), namer)
    assert [(each.person, each.event) for each in named.events] == [
        (each.person, each.event) for each in watched.events
    ]
    for each in named.events:
        assert (each.name is not None) == (each.event.verdict is Verdict.EXPRESSION)
        if each.name:
            assert each.name.sure and each.name.label in agreed.model.classes and 1 / 3 <= each.name.probability <= 1
    assert all(each.name is None for each in watched.events)
    assert not replace(namer, abstain_below=1.0).name(event, APEX_S).sure

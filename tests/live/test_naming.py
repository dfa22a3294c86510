"""From two moments of a face to a class, by a real model in a run folder."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from p2pfl_me.data.preprocess.faces import find_face
from p2pfl_me.data.preprocess.recipe import recipe_of
from p2pfl_me.live.film import open_film
from p2pfl_me.live.load import load_namer
from p2pfl_me.live.naming import moment_image
from p2pfl_me.live.person import Moment, Person
from p2pfl_me.live.whole import Spotted, watch_film
from p2pfl_me.spotting.event import Verdict
from p2pfl_me.spotting.settings import SpotterSettings
from tests.learning.runs import contract, random_model, write_run


@pytest.fixture(scope="module")
def moments(film: Path) -> tuple[Moment, Moment]:
    """Neutral, and at the apex of the film's first expression or whatever it does first."""
    pictures = [picture.image for picture in islice(open_film(film).pictures(), 130)]
    face = find_face(pictures[0])
    assert face is not None
    person = Person(1, face, SpotterSettings())
    for index in (100, 118, 125):
        person.look(index / 30, pictures[index], pictures[index][..., 0].copy())
    onset, apex = person.moment(100 / 30), person.moment(125 / 30)
    assert onset is not None and apex is not None and person.moment(2.0) is None
    return onset, apex


@pytest.mark.parametrize("options", [("model.input=flow",), ("model.input=flow", "model.preprocess.align=face"), ()])
def test_the_model_sees_what_its_contract_says(options: tuple[str, ...], moments: tuple[Moment, Moment]) -> None:
    recipe = recipe_of(contract(*options).model)
    image = moment_image(*moments, recipe)
    assert image.shape == (64, 64, 3) and image.dtype == np.uint8
    still = moment_image(moments[0], moments[0], recipe)
    if options:
        motionless = np.broadcast_to(np.array((124, 116, 104)), still.shape)
        assert np.abs(still.astype(int) - motionless).max() <= 2
        assert np.abs(image.astype(int) - motionless).max() > 20
    else:
        assert image.std() > 20


def test_spotted_expressions_are_named_and_a_second_look_tells_the_same(
    tmp_path: Path, film: Path, watched: list[Spotted], moments: tuple[Moment, Moment]
) -> None:
    agreed = contract("model.input=flow", "model.preprocess.align=face")
    run = write_run(tmp_path / "run", agreed, {peer: random_model(agreed, peer) for peer in range(3)})
    namer = load_namer(run, "torch", None, 0.0)
    named = watch_film(open_film(film), SpotterSettings(), namer)
    assert [(each.person, each.event) for each in named] == [(each.person, each.event) for each in watched]
    for each in named:
        assert (each.name is not None) == (each.event.verdict is Verdict.EXPRESSION)
        if each.name:
            assert each.name.sure and each.name.label in agreed.model.classes and 1 / 3 <= each.name.probability <= 1
    assert all(each.name is None for each in watched)
    assert not replace(namer, abstain_below=1.0).name(*moments).sure

"""Whether an input shows one face that moves: a model names one of its classes of anything, so it is not asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from p2pfl_me.contract.preprocess import Input
from p2pfl_me.data.blank import read_shown
from p2pfl_me.data.clip import Clip
from p2pfl_me.data.frames import frame_files
from p2pfl_me.data.images import read_image
from p2pfl_me.data.jumps import Jumps, mixed_words
from p2pfl_me.data.preprocess.faces import find_faces, two_are_meant
from p2pfl_me.data.preprocess.plan import plan_clip
from p2pfl_me.data.preprocess.recipe import Recipe
from p2pfl_me.errors import DataError

LOOKED_AT = 5
"""Pictures of a clip in which a face is looked for, evenly from first to last, beside those that are compared."""
COMPARED = 48
"""Pictures that are compared with each other: people who take turns do so in those."""
MOST_LACKING = 0.25
"""Share of those in which none need be found: somebody turns, or blinks."""
CROPPED = "or, where it is cropped to a face that is not found, take it as it is (--as-it-is)"


def require_observed(clip: Clip, recipe: Recipe, *, name: Path) -> None:
    """See that there is something to name.

    Raises
    ------
    DataError
        No face, or none in much of it, two faces that are as large, nothing that moves in a clip or film, or a face
        where a motion's image is meant.
    """
    plan = plan_clip(clip, recipe)
    files = plan.files
    if plan.is_picture and recipe.input is Input.FLOW:
        if find_faces(read_image(files[0])):
            raise DataError(
                "shows a face, and this model sees motion: an image of a motion shows none",
                where=str(name),
                fix="bring the frames from onset to offset, or, if it is one, take it as it is (--as-it-is)",
            )
        return
    if not plan.is_picture:
        _require_motion(clip, name)
    even = np.linspace(0, len(files) - 1, min(LOOKED_AT, len(files))).round().astype(int).tolist()
    compared = [place for place in plan.taken if place is not None] if recipe.input is Input.FLOW else []
    looked = dict.fromkeys((*compared, *even))
    found = [faces for place in looked if (faces := find_faces(read_shown(files[place])))]
    if not found:
        raise DataError(
            "shows no face, and without one there is no expression to name",
            where=str(name),
            fix=f"bring a face that is upright, lit and large enough, {CROPPED}",
        )
    if len(looked) - len(found) > MOST_LACKING * len(looked):
        raise DataError(
            f"shows a face in {len(found)} of {len(looked)} pictures that were looked at, and what a face does unseen "
            "cannot be named",
            where=str(name),
            fix=f"cut it to where the face is seen, {CROPPED}",
        )
    if all(map(two_are_meant, found)):
        raise DataError(
            "shows two faces that are as large, and nobody says which is meant",
            where=str(name),
            fix="crop it to one of them",
        )


def _require_motion(clip: Clip, name: Path) -> None:
    """Two frames at least, of which one differs, and no two faces in turns."""
    files = list(frame_files(clip.path).values())
    first, jumps, same = read_shown(files[0]), Jumps(), True
    for count, file in enumerate(files):
        if not same and count >= COMPARED:
            break
        shown = read_shown(file)
        jumps.push(0.0, shown[..., 1])
        same = same and np.array_equal(first, shown)
    if mixed := mixed_words(jumps.returns):
        raise DataError(f"holds pictures that {mixed}", where=str(name), fix="bring the frames of one face alone")
    if same:
        many = f"{len(files)} pictures that are one and the same" if len(files) > 1 else "one picture"
        raise DataError(
            f"holds {many}: nothing moves, and there is no expression to name",
            where=str(name),
            fix="bring the frames from onset to offset",
        )

"""What is done to the clips of a run before the network sees them, in words: nothing that did not happen is claimed."""

from __future__ import annotations

from collections.abc import Sequence

from p2pfl_me.contract.preprocess import Input
from p2pfl_me.counting import many
from p2pfl_me.data.clip import Clip
from p2pfl_me.data.preprocess.recipe import Recipe
from p2pfl_me.data.vectors import is_vectors
from p2pfl_me.run.manifest import NO_LAYERS


def images_words(clips: Sequence[Clip], recipe: Recipe) -> str:
    """By what the clips' paths are: folders of frames, pictures, or feature vectors."""
    vectors = sum(is_vectors(clip.path) for clip in clips)
    folders = sum(clip.path.is_dir() for clip in clips)
    pictures = len(clips) - vectors - folders
    said = []
    if folders:
        said.append(f"{many(folders, 'clip')} of frames: {recipe}")
    if pictures:
        said.append(f"{many(pictures, 'ready picture')} {_of_a_picture(recipe)}")
    if vectors:
        said.append(f"{many(vectors, 'clip')} as feature vectors as given: {NO_LAYERS}")
    return "; ".join(said)


def _of_a_picture(recipe: Recipe) -> str:
    size = f"brought to {recipe.size} x {recipe.size} pixels"
    if recipe.input is Input.FLOW:
        return f"of motion as given, only {size}: model.preprocess was not applied to them here"
    steps = ["aligned by the face"] if recipe.aligned else []
    steps += [f"all but {'+'.join(recipe.options.mask)} masked"] if recipe.options.mask else []
    return f"as given, {', '.join([*steps, size])}: no apex was sought and nothing magnified"

"""What a clip is, whatever it is called and wherever it lies: one digest of all that its images are made of, or of its
row of a file of vectors."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cache

from p2pfl_me.data.clip import SPLITS, Clip
from p2pfl_me.data.preprocess.prepare import clip_keys
from p2pfl_me.data.preprocess.recipe import Recipe
from p2pfl_me.data.vectors import is_vectors, vector_row, vectors_bank


def contents_of(clips: Sequence[Clip], recipe: Recipe) -> tuple[bytes, ...]:
    """32 bytes of each clip that has a split, in their order; files are read, and no image is made.

    Raises
    ------
    DataError
        A clip cannot be read.
    """
    images = [clip for clip in clips if clip.split in SPLITS and not is_vectors(clip.path)]
    return tuple(with_keys(clips, clip_keys(images, recipe)))


def with_keys(clips: Sequence[Clip], keys: Iterable[bytes]) -> Iterator[bytes]:
    """The same, where the `keys` of the clips that are images are known."""
    known, bank_of = iter(keys), cache(vectors_bank)  # a file is opened once, whatever number of clips it holds
    for clip in clips:
        if clip.split not in SPLITS:
            continue
        if is_vectors(clip.path):
            bank = bank_of(clip.path)
            yield hashlib.sha256(bank[vector_row(clip, bank)].tobytes()).digest()
        else:
            yield next(known)

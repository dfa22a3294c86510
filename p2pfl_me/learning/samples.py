"""From clips to the samples that a model trains on: images, their digests, cached features, labels, by split."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from p2pfl_me.contract import Contract
from p2pfl_me.data.augment import ORIGINAL, Image, Variant, turn_of, variants_of, vary
from p2pfl_me.data.clip import SPLITS, Clip
from p2pfl_me.data.contents import with_keys
from p2pfl_me.data.preprocess.note import ClipNote
from p2pfl_me.data.preprocess.prepare import Prepared, prepare_clips
from p2pfl_me.data.preprocess.recipe import recipe_of
from p2pfl_me.data.vectors import is_vectors, require_finite, require_width, vector_row, vectors_bank
from p2pfl_me.errors import DataError
from p2pfl_me.learning.features import Progress, feature_rows
from p2pfl_me.learning.metrics import People, people
from p2pfl_me.learning.trainer import Labels, Part, Samples


@dataclass(frozen=True, eq=False)
class Read:
    """Samples by split; what is `noted` of the clips that are images; and of each clip that has a split, in their
    order, a digest of its content (32 bytes)."""

    samples: Samples = field(repr=False)
    noted: tuple[ClipNote, ...] = field(repr=False)
    contents: tuple[bytes, ...] = field(repr=False)


def samples_of(
    contract: Contract,
    clips: Sequence[Clip],
    *,
    cache: Path,
    weights: Path | None = None,
    device: str = "auto",
    progress: Progress | None = None,
    preparing: Progress | None = None,
) -> Samples:
    """The clips' features, computed where the cache lacks them, by split."""
    read = read_samples(
        contract, clips, cache=cache, weights=weights, device=device, progress=progress, preparing=preparing
    )
    return read.samples


def read_samples(
    contract: Contract,
    clips: Sequence[Clip],
    *,
    cache: Path,
    weights: Path | None = None,
    device: str = "auto",
    progress: Progress | None = None,
    preparing: Progress | None = None,
) -> Read:
    """The same, and what is known of the clips besides: how each one's apex is known and its face was found.

    Parameters
    ----------
    progress, preparing:
        Called with (done, total) of the samples whose features, and of the clips whose images, had to be computed.
    """
    of_images = [clip for clip in clips if clip.split in SPLITS and not is_vectors(clip.path)]
    prepared = prepare_clips(of_images, recipe_of(contract.model), cache, preparing)
    splits = np.array([SPLITS.index(clip.split or "") for clip in of_images], dtype=np.int64)
    variants = [variants_of(contract) if split == 0 else (ORIGINAL,) for split in splits[prepared.clips]]
    bank, rows = np.empty((0, contract.model.input_width), dtype=np.float32), prepared.rows
    if of_images:
        pairs = list(_pairs(prepared, variants, turn_of(contract.model)))
        bank, rows = feature_rows(contract, pairs, cache=cache, weights=weights, device=device, progress=progress)
    first = np.cumsum([0, *map(len, variants)], dtype=np.int64)
    parts = []
    for split, name in enumerate(SPLITS):
        chosen = [clip for clip in clips if clip.split == name]
        if any(is_vectors(clip.path) for clip in chosen):
            parts.append(_of_vectors(contract, chosen))
            continue
        mine = np.flatnonzero(splits[prepared.clips] == split)
        within = np.cumsum(splits == split) - 1  # a clip's place among those of its split
        clip_of = within[prepared.clips[mine]]
        every = None
        if split == 0 and len(variants_of(contract)) > 1:
            every = rows[first[mine][:, None] + np.arange(len(variants_of(contract)))]
        labels, whose = _labels(contract, chosen)[clip_of], _people(chosen)[clip_of]
        parts.append(Part(bank, rows[first[mine]], labels, clip_of, every, whose, _tested(name, chosen)))
    keys = [prepared.keys[place] for place in np.unique(prepared.clips, return_index=True)[1]]
    return Read(Samples(*parts), prepared.notes, tuple(with_keys(clips, keys)))


def _pairs(
    prepared: Prepared, variants: Sequence[Sequence[Variant]], turn: int | None
) -> Iterator[tuple[bytes, Callable[[], Image]]]:
    """Under which key the features of each variant of each sample are kept, and how its image is had."""
    for sample, (key, own) in enumerate(zip(prepared.keys, variants, strict=True)):
        load = partial(prepared.image, sample)
        for variant in own:
            if variant == ORIGINAL:
                yield key, load
            else:
                yield hashlib.sha256(key + repr(variant).encode()).digest(), partial(_varied, load, variant, turn)


def _varied(load: Callable[[], Image], variant: Variant, turn: int | None) -> Image:
    return vary(load(), variant, turn)


def _of_vectors(contract: Contract, clips: Sequence[Clip]) -> Part:
    """A split of feature vectors, whose every row is a clip."""
    files = {clip.path for clip in clips}
    if len(files) > 1:
        raise DataError(
            "feature vectors and images, or two files of vectors, cannot be mixed in one split",
            where=str(sorted(path for path in files if is_vectors(path))[0]),
            fix="put the vectors of a split into one file",
        )
    if len(variants_of(contract)) > 1 and clips[0].split == "train":
        raise DataError(
            "training.augment needs images, and these are feature vectors",
            where=str(clips[0].path),
            fix="leave training.augment out of the contract",
        )
    path = files.pop()
    bank = vectors_bank(path)
    require_width(bank.shape[1], contract.model, str(path))
    rows = np.array([vector_row(clip, bank) for clip in clips], dtype=np.int64)
    require_finite(bank, rows, path)
    numbers = np.arange(len(clips), dtype=np.int64)
    tested = _tested(clips[0].split, clips)
    return Part(bank, rows, _labels(contract, clips), numbers, subjects=_people(clips), people=tested)


def _people(clips: Sequence[Clip]) -> Labels:
    """A number for the person of each clip, int64 (n,)."""
    return np.unique([clip.subject for clip in clips], return_inverse=True)[1].astype(np.int64)


def _tested(split: str | None, clips: Sequence[Clip]) -> People | None:
    """Of the test clips, which all peers know: whom a peer's own clips show is not asked for scores."""
    return people([(clip.dataset, clip.subject) for clip in clips]) if split == "test" else None


def _labels(contract: Contract, clips: Sequence[Clip]) -> Labels:
    return np.array([contract.model.classes.index(clip.label) for clip in clips], dtype=np.int64)

"""From a peer's clips to the samples that it trains on: images, digests, cached features, labels."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from p2pfl_me.contract import Contract
from p2pfl_me.data.augment import ORIGINAL, Image, Variant, variants_of, vary
from p2pfl_me.data.images import content_digest, load_input
from p2pfl_me.data.manifest import SPLITS, Clip
from p2pfl_me.data.source import peer_clips
from p2pfl_me.data.vectors import is_vectors, vectors_bank
from p2pfl_me.errors import DataError
from p2pfl_me.home import cache_dir
from p2pfl_me.learning.features import Progress, feature_rows
from p2pfl_me.learning.trainer import Part, Samples
from p2pfl_me.message import Vector
from p2pfl_me.peer.settings import PeerSettings


@dataclass(frozen=True, eq=False)
class Shard:
    """One peer's samples, and what the event log may say about them: counts, no names."""

    samples: Samples = field(repr=False)
    summary: dict[str, Any]


def load_shard(settings: PeerSettings, progress: Progress | None = None) -> Shard:
    """Read what `settings` name, and nothing of any other peer's.

    Raises
    ------
    DataError
        Unusable data, or no clips to train on.
    """
    contract = settings.contract
    cache = cache_dir(settings.home)
    clips = peer_clips(contract, settings.peer, settings.data, settings.test, cache)
    if not any(clip.split == "train" for clip in clips):
        raise DataError(
            f"peer {settings.peer} has no clips to train on",
            where=str(settings.data or "the built-in clips"),
            fix="give it some, or leave it out of the contract",
        )
    samples = samples_of(
        contract, clips, cache=cache, weights=settings.weights, device=settings.device, progress=progress
    )
    return Shard(samples, summary_of(clips))


def samples_of(
    contract: Contract,
    clips: Sequence[Clip],
    *,
    cache: Path,
    weights: Path | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> Samples:
    """The clips' features, computed where the cache lacks them, by split."""
    parts = {}
    for split in SPLITS:
        chosen = [clip for clip in clips if clip.split == split]
        variants = variants_of(contract) if split == "train" else (ORIGINAL,)
        bank, rows = _features(contract, chosen, variants, cache, weights, device, progress)
        labels = np.array([contract.model.classes.index(clip.label) for clip in chosen], dtype=np.int64)
        every = rows if len(variants) > 1 else None
        parts[split] = Part(bank, rows[:, 0], labels, np.arange(len(chosen), dtype=np.int64), every)
    return Samples(parts["train"], parts["validation"], parts["test"])


def summary_of(clips: Sequence[Clip]) -> dict[str, Any]:
    """Counts of clips by split, of subjects, and of training clips by class."""
    count = Counter(clip.split for clip in clips)
    return {
        **{split: count[split] for split in SPLITS},
        "subjects": len({clip.subject for clip in clips if clip.split != "test"}),
        "classes": dict(sorted(Counter(clip.label for clip in clips if clip.split == "train").items())),
    }


def _features(
    contract: Contract,
    clips: Sequence[Clip],
    variants: Sequence[Variant],
    cache: Path,
    weights: Path | None,
    device: str,
    progress: Progress | None,
) -> tuple[Vector, npt.NDArray[np.int64]]:
    """The bank, and the row in it of each variant of each clip, int64 (n, V)."""
    files = {clip.path for clip in clips if is_vectors(clip.path)}
    if len(files) == 1 and all(is_vectors(clip.path) for clip in clips):
        path = files.pop()
        if len(variants) > 1:
            raise DataError(
                "training.augment needs images, and these are feature vectors",
                where=str(path),
                fix="leave training.augment out of the contract",
            )
        return vectors_bank(path), np.array([[int(clip.clip)] for clip in clips], dtype=np.int64).reshape(-1, 1)
    if files:
        raise DataError(
            "feature vectors and images, or two files of vectors, cannot be mixed in one split",
            where=str(sorted(files)[0]),
            fix="put the vectors of a split into one file",
        )
    pairs = [pair for clip in clips for pair in _inputs(contract, clip, variants)]
    bank, rows = feature_rows(contract, pairs, cache=cache, weights=weights, device=device, progress=progress)
    return bank, rows.reshape(len(clips), len(variants))


def _inputs(contract: Contract, clip: Clip, variants: Sequence[Variant]) -> Iterator[tuple[bytes, Callable[[], Image]]]:
    """Under which key each variant's features are kept, and how its image is made."""
    kind, size = contract.model.input, contract.model.input_size
    key = content_digest(clip, kind, size)
    load = partial(load_input, clip, kind, size)
    for variant in variants:
        if variant == ORIGINAL:
            yield key, load
        else:
            yield hashlib.sha256(key + repr(variant).encode()).digest(), partial(_varied, load, variant, kind == "flow")


def _varied(load: Callable[[], Image], variant: Variant, flow: bool) -> Image:
    return vary(load(), variant, flow=flow)

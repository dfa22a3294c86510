"""The pieces of work: one fold under one seed, or one peer that no fold of a set touches. Each is done once.

A peer that trains alone never sees which subject another peer has to hold out. So its model is the same for all folds
that take nothing from it, and is trained once for them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from p2pfl_me.evaluate.folds import Fold, Split
from p2pfl_me.learning.trainer import Labels


@dataclass(frozen=True, slots=True)
class FoldUnit:
    """Gossip, pooled, and the isolated peers that lose clips: models that fold `fold` needs and no other."""

    seed: int
    fold: int

    @property
    def name(self) -> str:
        return f"seed-{self.seed}/fold-{self.fold + 1:03d}"


@dataclass(frozen=True, slots=True)
class WholeUnit:
    """One isolated peer on its whole shard, asked about every fold that takes nothing from it."""

    seed: int
    pool: str
    peer: int

    @property
    def name(self) -> str:
        # A data set's name is the user's and may hold anything; a file's name may not.
        pool = "" if self.pool == "all" else f"pool-{hashlib.sha256(self.pool.encode()).hexdigest()[:12]}-"
        return f"seed-{self.seed}/{pool}peer-{self.peer}"


Unit = FoldUnit | WholeUnit


def units_of(split: Split, dealt: Mapping[str, Labels], seed: int) -> Iterator[Unit]:
    """All units of one seed; `dealt` by pool."""
    for number in range(len(split.folds)):
        yield FoldUnit(seed, number)
    for pool, peer_of in dealt.items():
        for peer in range(int(peer_of.max()) + 1):
            if untouched(split, peer_of, pool, peer):
                yield WholeUnit(seed, pool, peer)


def untouched(split: Split, peer_of: Labels, pool: str, peer: int) -> list[int]:
    """The items of the folds that take nothing from `peer`."""
    return [
        item for fold in split.folds if fold.pool == pool and not touches(fold, peer_of, peer) for item in fold.test
    ]


def peers_left(fold: Fold, peer_of: Labels) -> list[int]:
    """The peers that still have something to train on."""
    return sorted({int(peer) for peer in peer_of[list(fold.train)]})


def touches(fold: Fold, peer_of: Labels, peer: int) -> bool:
    """Whether the fold holds out clips of this peer."""
    return bool(np.any(peer_of[list(fold.test)] == peer))

"""What a neighbour's conduct looks like from here: a score that decays, for the user to see; and quarantine.

Everything in a score was seen by this peer itself, in what the neighbour's own key has authenticated. Peers say nothing
of each other, so no third can talk a score up. What can have an honest cause (uneven data, a slow lab, an own model
that a liar led away) is shown and costs nothing: only frames that no honest program sends lead to quarantine.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

import numpy as np

from p2pfl_me.gossip.protocol import Mixed
from p2pfl_me.message import Vector

HALF_LIFE_S = 120.0
"""Of refused frames, which are counted whenever they come."""
LIMIT = 5.0
"""Refused frames, decayed, that earn quarantine."""
HALF_LIFE_ROUNDS = 4.0
"""Of all else, which is seen once a round."""
SUSPECT = 3.0
"""From here on the user is told: four odd rounds on end, or three refused frames within a minute."""
SHOWN = 0.5
"""Lower scores are not written down."""
NORMS = 4.0
"""A norm so many times the own one, or so many times below it, is odd."""
FAR = 3.0
"""A distance so many times the median neighbour's is odd; of fewer than three neighbours nobody can say."""
NEAR = 0.01
"""Within so much of the own model nobody is far: where all have learned what there is, the one step that one lab still
makes stands out among models that are the same."""


class Sign(StrEnum):
    """What was odd about a neighbour."""

    FRAMES = "refused frames"
    NORM = "a norm unlike the own"
    STALE = "the model of the round before"
    FAR = "far beyond the others"
    LATE = "no model in time"
    LEFT_OUT = "left out by the aggregation"


WEIGHTS = {Sign.NORM: 1.0, Sign.STALE: 1.0, Sign.FAR: 1.0, Sign.LATE: 0.5, Sign.LEFT_OUT: 0.25}
"""What a sign adds in a round. Most rules leave somebody out every round, so that alone makes nobody suspect."""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A neighbour's score, and what was odd about it in this round."""

    score: float
    signs: tuple[Sign, ...]


class MisbehaviourScores:
    """One peer's view of its neighbours.

    A link that flips a bit now and then is forgiven; a neighbour that keeps sending what must be refused is not.
    """

    def __init__(self) -> None:
        self._frames: dict[int, tuple[float, float]] = {}
        self._rounds: dict[int, float] = {}
        self._heard: dict[int, tuple[float, int]] = {}
        """(norm, checksum) of each neighbour's newest model."""
        self._before: dict[int, tuple[float, int]] = {}
        self._told: set[int] = set()

    def refused(self, now: float, peer: int) -> bool:
        """Note one refused frame of `peer` at `now` (seconds); True when it has earned its quarantine."""
        score = self._frame_score(now, peer) + 1.0
        self._frames[peer] = (now, score)
        return score >= LIMIT

    def heard(self, peer: int, params: Vector) -> None:
        """A whole model of `peer` has come."""
        self._heard[peer] = float(np.linalg.norm(params)), zlib.crc32(np.ascontiguousarray(params).data)

    def concluded(self, now: float, mixed: Mixed) -> Mapping[int, Suspicion]:
        """Look back at a round; who is worth a line in the log, by neighbour."""
        own = float(np.linalg.norm(mixed.params)) or 1.0
        middle = median(mixed.distance.values()) if len(mixed.distance) > 2 else math.inf
        found: dict[int, Suspicion] = {}
        for peer in sorted({*mixed.weights, *mixed.missing, *mixed.refused, *self._rounds}):
            signs = [sign for sign, odd in self._odd(peer, mixed, own, middle).items() if odd]
            decayed = self._rounds.get(peer, 0.0) * math.exp2(-1.0 / HALF_LIFE_ROUNDS)
            self._rounds[peer] = decayed + sum(WEIGHTS[sign] for sign in signs)
            if self._frame_score(now, peer) >= SHOWN:
                signs.insert(0, Sign.FRAMES)
            if (score := self.score(now, peer)) >= SHOWN:
                found[peer] = Suspicion(score, tuple(signs))
        self._before, self._heard = {**self._before, **self._heard}, {}
        return found

    def newly(self, suspects: Collection[int]) -> list[int]:
        """Those of whom the user has not been told; told again only after their score has been below SUSPECT."""
        new = sorted(set(suspects) - self._told)
        self._told = set(suspects)
        return new

    def score(self, now: float, peer: int) -> float:
        """All that is held against a neighbour at `now`."""
        return self._frame_score(now, peer) + self._rounds.get(peer, 0.0)

    def _odd(self, peer: int, mixed: Mixed, own: float, middle: float) -> dict[Sign, bool]:
        heard, before = self._heard.get(peer), self._before.get(peer)
        return {
            Sign.NORM: heard is not None and not own / NORMS <= heard[0] <= own * NORMS,
            Sign.STALE: heard is not None and heard == before,
            Sign.FAR: mixed.distance.get(peer, 0.0) > max(FAR * middle, NEAR),
            Sign.LATE: mixed.missing.get(peer) == "deadline",
            Sign.LEFT_OUT: peer in mixed.refused,
        }

    def _frame_score(self, now: float, peer: int) -> float:
        at, score = self._frames.get(peer, (now, 0.0))
        return score * math.exp2(-(now - at) / HALF_LIFE_S)

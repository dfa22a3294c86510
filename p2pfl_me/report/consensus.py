"""How far apart the peers' models stand, measured from sketches and predicted by the mixing matrix.

Each round log carries a count sketch of the model after training and after mixing. A sketch s is linear and
E ||s(x) - s(y)||^2 = ||x - y||^2 (with 1024 buckets a distance is met within 2 to 4 %), so distances need no models.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from p2pfl_me.report.run import Run

Sketch = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Agreement:
    """One round's consensus distance Xi = sqrt(mean_i ||x_i - mean x||^2), over the peers that logged the round.

    `trained` is Xi after local training, `mixed` after the exchange; `norm` is the norm of the average model, so
    that `mixed / norm` is free of scale. `bound` and `expected` are what the mixing matrix makes of `trained`:
    times beta, its largest eigenvalue (in absolute value) below the leading 1, and times the root mean square of
    those eigenvalues, which is exact on average when the peers' differences point nowhere in particular.
    """

    round: int
    peers: int
    trained: float
    mixed: float
    norm: float
    bound: float | None
    expected: float | None

    def share(self, distance: float | None) -> float | None:
        """A distance as a share of the average model's norm; None where there is no such norm, or no distance."""
        return None if distance is None or self.norm <= 0 else distance / self.norm


@dataclass(frozen=True, slots=True)
class Contraction:
    """What one exchange over the whole graph does to Xi: at most `beta`, `rms` when differences are isotropic.

    `rms` has one value a round of a schedule that changes, and one alone of one that stands. A single round of the
    former may leave two peers that do not meet as far apart as they were, so there is no `beta` below 1.
    """

    beta: float | None
    rms: tuple[float, ...]

    def rms_of(self, round: int) -> float:
        """Of one round as the report counts it, from 1."""
        return self.rms[(round - 1) % len(self.rms)]


def contraction_of(run: Run) -> Contraction | None:
    """The contraction that the contract's graph predicts for each round; None where it predicts none.

    That is for a single peer, for protocols whose pairs meet by chance, for models of which a part stays home or goes
    to some neighbours only, and for an aggregation that is not the mixing matrix.
    """
    contract = run.contract
    gossip = contract.gossip
    if contract.peers.count < 2 or not gossip.protocol.follows_matrix or gossip.personal:
        return None
    if not gossip.aggregation.follows_w or contract.privacy.exchange.parts_only:
        return None
    from p2pfl_me.topology import directed_round_rms, directed_schedule_of, schedule_of, spectral_figures

    arcs = directed_schedule_of(contract)
    if arcs.period == 1 and not contract.topology.one_way:
        figures = spectral_figures(schedule_of(contract))
        return Contraction(figures.beta, (figures.rms,))
    rounds = range(arcs.period or contract.training.rounds)
    return Contraction(None, tuple(directed_round_rms(arcs, round) for round in rounds))


def agreement(run: Run, contraction: Contraction | None) -> tuple[Agreement, ...]:
    """Consensus distance of every round that at least two peers logged with both sketches."""
    by_round: dict[int, list[tuple[Sketch, Sketch]]] = {}
    for log in run.peers:
        for each in log.rounds:
            before, after = sketch_of(each.sketch_trained), sketch_of(each.sketch_mixed)
            if before is not None and after is not None:
                by_round.setdefault(each.round, []).append((before, after))
    found = []
    for index, present in sorted(by_round.items()):
        if len(present) < 2 or len({sketch.shape for both in present for sketch in both}) > 1:
            continue
        apart, _ = _distance([before for before, _ in present])
        mixed, norm = _distance([after for _, after in present])
        found.append(
            Agreement(
                round=index,
                peers=len(present),
                trained=apart,
                mixed=mixed,
                norm=norm,
                bound=contraction.beta * apart if contraction and contraction.beta is not None else None,
                expected=contraction.rms_of(index) * apart if contraction else None,
            )
        )
    return tuple(found)


def sketch_of(told: str | None) -> Sketch | None:
    """A little-endian float32 vector, shape (n,), from base64; None if it is not one or is not finite."""
    try:
        vector = np.frombuffer(base64.b64decode(told or "", validate=True), dtype="<f4")
    except ValueError:
        return None
    return vector if vector.size and bool(np.isfinite(vector).all()) else None


def _distance(sketches: Sequence[Sketch]) -> tuple[float, float]:
    stack = np.stack(sketches).astype(np.float64)
    mean = stack.mean(axis=0)
    squares = ((stack - mean) ** 2).sum(axis=1)
    return float(np.sqrt(squares.mean())), float(np.linalg.norm(mean))

"""When a peer stops by itself: the agreed number of rounds, or patience once its neighbourhood agrees."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class StopRule:
    """`rounds` is the agreed budget. With `patience`, a peer also stops after that many rounds without a lower
    validation loss, provided that no neighbour's model is further than `consensus` (relative distance)."""

    rounds: int
    patience: int | None = None
    consensus: float = 0.0


@dataclass(frozen=True, slots=True)
class Progress:
    """What the rule remembers from round to round; it goes into the checkpoint."""

    best_loss: float = float("inf")
    stale_rounds: int = 0
    trained: int = 0
    """Rounds that this peer has really trained."""
    alone: int = 0
    """Those of them that it shared with nobody."""
    joined: int = 0
    """Rounds that were behind the model which it was given when it joined."""


def advance(progress: Progress, validation_loss: float | None, *, alone: bool = False) -> Progress:
    """The memory after one more round."""
    progress = replace(progress, trained=progress.trained + 1, alone=progress.alone + alone)
    if validation_loss is None:
        return progress
    if validation_loss < progress.best_loss:
        return replace(progress, best_loss=validation_loss, stale_rounds=0)
    return replace(progress, stale_rounds=progress.stale_rounds + 1)


def stop_reason(rule: StopRule, completed: int, progress: Progress, largest_distance: float | None) -> str | None:
    """Why to stop after `completed` rounds, or None to go on.

    `largest_distance` is None when no neighbour's model arrived in this round: nobody agreed, so patience waits.
    """
    if completed >= rule.rounds:
        return "rounds"
    if rule.patience is None or progress.stale_rounds < rule.patience:
        return None
    if largest_distance is None or largest_distance > rule.consensus:
        return None
    return "patience"

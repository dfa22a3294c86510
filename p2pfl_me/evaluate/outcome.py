"""What a unit leaves behind: the class that each model gave to each held-out item, and what it took."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from p2pfl_me.errors import RunError
from p2pfl_me.evaluate.course import Course, course_from
from p2pfl_me.parsed import json_of
from p2pfl_me.report.arms import Arm

AGAIN = "remove it and give the command again"


@dataclass(frozen=True)
class Guesses:
    """One model's answers; `peer` is -1 for a model of all."""

    arm: Arm
    peer: int
    items: tuple[int, ...] = field(repr=False)
    classes: tuple[int, ...] = field(repr=False)


@dataclass(frozen=True)
class Outcome:
    """`steps`: training steps by arm, over all peers. `distance`: sqrt(mean ||x_i - mean||^2) / ||mean|| at the end.
    `course`: what gossip peers answered after every round, where that was asked for."""

    guesses: tuple[Guesses, ...] = field(repr=False)
    steps: dict[str, int]
    distance: float | None
    seconds: float
    course: Course | None = field(default=None, repr=False)

    def to_text(self) -> str:
        guesses = [[each.arm, each.peer, each.items, each.classes] for each in self.guesses]
        values = {"guesses": guesses, "steps": self.steps, "distance": self.distance, "seconds": round(self.seconds, 3)}
        return json.dumps(values | ({"course": self.course.to_json()} if self.course else {}))


def outcome_from(text: str, where: str) -> Outcome:
    """Raises RunError where the text is not one of ours."""
    try:
        values: dict[str, Any] = json_of(text)
        guesses = tuple(_guesses(*each) for each in values["guesses"])
        course = course_from(values["course"]) if "course" in values else None
        steps = {str(arm): int(count) for arm, count in values["steps"].items()}
        distance = None if values["distance"] is None else float(values["distance"])
        return Outcome(guesses, steps, distance, float(values["seconds"]), course)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise RunError("is not a finished fold", where=where, fix=AGAIN) from error


def _guesses(arm: str, peer: int, items: Sequence[int], classes: Sequence[int]) -> Guesses:
    return Guesses(Arm(arm), int(peer), tuple(map(int, items)), tuple(map(int, classes)))

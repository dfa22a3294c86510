"""What the spotter may be told. The defaults suit faces that sit still before a camera of 25 pictures a second up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SpotterSettings:
    """Times in seconds, motions in distances between the eyes.

    `micro_s` and `macro_s` are k, half the mean length of an expression of each kind: motion is measured over k, peaks
    are 2k apart and an interval is the peak plus and minus k. The threshold lies at p between the mean and the greatest
    evidence, in doublings of the person's neutral motion, and never below `least`. On plain motion p is about .55 in
    the literature, which hides all that is weaker than half of the strongest; p = .4 of doublings was chosen on drawn
    films of seeds 1 to 5.
    """

    micro_s: float = 0.2
    macro_s: float = 0.6
    p: float = 0.4
    least: float = 2.0
    rate: float = 30.0
    """Samples a second on which the spotter works, whatever the camera gives."""
    gap_s: float = 0.15
    """Longest time between two pictures that is bridged; beyond it the spotter starts anew."""
    baseline_s: float = 3.0
    """Seconds of a person that the neutral level needs before anything is spotted."""
    memory_s: float = 20.0
    """How far back neutral level and online threshold look."""
    still: float = 5e-4
    """Least neutral level: a drawn or frozen picture has no noise at all."""
    blink: float = 2.0
    """Eyes that move so many times more than brows or mouth are a blink."""
    turn: float = 0.03
    """A nose that moves farther than this over k, and farther than brows or mouth against it, is a head turn."""
    unreturned: float = 0.6
    """Most that may be left of a micro-expression's motion k after its apex."""
    brief: float = 0.75
    """Least share of the motion over `macro_s` that a micro-expression shows over `micro_s` already."""

    def micro_samples(self) -> int:
        return max(1, round(self.micro_s * self.rate))

    def macro_samples(self) -> int:
        return max(2, round(self.macro_s * self.rate))

"""Leaks: what stands on two sides of a split, or at two peers, and makes a score better than the model."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product

import numpy as np

from p2pfl_me.data.audit.alike import close_pairs
from p2pfl_me.data.audit.parts import Audited, Placed
from p2pfl_me.data.audit.pictures import Seen, key_pictures
from p2pfl_me.data.clip import Clip
from p2pfl_me.data.frames import place_on_disk
from p2pfl_me.data.identity import could_be
from p2pfl_me.data.images import IMAGES
from p2pfl_me.data.trained_on import TrainedOn, seen_of
from p2pfl_me.data.vectors import is_vectors

NEIGHBOURS = 5
"""Frames apart: at 200 frames/s, 25 ms, in which no face changes."""


WHOLE = 10**9
"""The last frame of a clip that is all of its folder."""


class Kind(StrEnum):
    """What is on both sides."""

    SUBJECT = "same subject"
    SPELLING = "subjects that could be one person"
    CLIP = "same clip"
    FRAMES = "neighbouring frames"
    IDENTICAL = "identical images"
    ALIKE = "near-identical images"
    MIRRORED = "mirrored images"


@dataclass(frozen=True)
class Leak:
    """`count` things of a kind in two places (of clips: pairs), and one of them."""

    kind: Kind
    places: tuple[str, str]
    count: int
    example: str


@dataclass(frozen=True)
class Audit:
    """`unread` are clips whose images could not be opened, and so were compared by their rows alone."""

    name: str
    clips: int
    places: tuple[str, ...]
    leaks: tuple[Leak, ...]
    unread: int
    on_purpose: bool = False
    with_weights: bool = False
    seen: tuple[str, ...] = ()
    """What its run or evaluation says of scored clips that its weights have seen: that is a leak, too."""

    @property
    def leaking(self) -> bool:
        return bool(self.leaks) or self.on_purpose or bool(self.seen)

    @property
    def silent(self) -> bool:
        """All clips are in one place, or no image can be opened: nothing is known of leaks."""
        return not self.leaking and ((len(self.places) < 2 and not self.with_weights) or self.blind)

    @property
    def blind(self) -> bool:
        """No image could be opened, so that rows alone were compared though images were asked for."""
        return 0 < self.clips == self.unread

    @property
    def sound(self) -> bool:
        return not (self.leaking or self.silent)


def audit(split: Audited, *, images: bool = True, weights: TrainedOn | None = None) -> Audit:
    """All leaks of one split.

    Images compared are each clip's onset, apex, middle and offset, or the picture itself; feature vectors are
    compared by their bytes. What `weights` were trained on is one more place, which may share with training parts only.
    """
    clips = split.clips
    found = _Found()
    found.groups(Kind.SUBJECT, clips, lambda placed: placed.clip.subject, lambda placed: placed.clip.subject)
    found.spellings(clips)
    found.groups(Kind.CLIP, clips, lambda placed: (placed.clip.subject, placed.clip.clip), _name)
    found.neighbours(clips)
    unread = 0
    if images:
        seen = key_pictures([placed.clip for placed in clips])
        unread = sum(each is None for each in seen)
        found.images(clips, [each for each in seen if each is not None])
    if weights:
        found.weights(clips, weights, images=images)
    places = tuple(dict.fromkeys(placed.place for placed in clips))
    return Audit(split.name, len(clips), places, found.leaks(), unread, split.leaks, weights is not None, split.seen)


class _Found:
    """Counts by kind and pair of places."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[Kind, str, str]] = Counter()
        self._examples: dict[tuple[Kind, str, str], str] = {}

    def note(self, kind: Kind, one: str, other: str, example: str) -> None:
        if one != other:
            key = (kind, min(one, other), max(one, other))
            self._counts[key] += 1
            self._examples.setdefault(key, example)

    def groups(
        self,
        kind: Kind,
        clips: Sequence[Placed],
        key: Callable[[Placed], Hashable],
        name: Callable[[Placed], str],
    ) -> None:
        """Things with one key in several places, each counted once a pair of places."""
        places: dict[Hashable, dict[str, Placed]] = defaultdict(dict)
        for placed in clips:
            places[key(placed)].setdefault(placed.place, placed)
        for here in places.values():
            names = sorted(here)
            for index, one in enumerate(names):
                for other in names[index + 1 :]:
                    self.note(kind, one, other, name(here[one]))

    def spellings(self, clips: Sequence[Placed]) -> None:
        """Other spellings of one name in several places, where nobody said that they are two people."""
        alike: dict[Hashable, dict[str, dict[str, None]]] = defaultdict(lambda: defaultdict(dict))
        for placed in clips:
            if not placed.clip.told:
                alike[could_be(placed.clip)][placed.place].setdefault(placed.clip.subject)
        for here in alike.values():
            names = sorted(here)
            for index, one in enumerate(names):
                for other in names[index + 1 :]:
                    for mine, theirs in product(here[one], here[other]):
                        if mine != theirs:
                            self.note(Kind.SPELLING, one, other, " and ".join(sorted((mine, theirs))))

    def weights(self, clips: Sequence[Placed], record: TrainedOn, *, images: bool) -> None:
        """Clips outside the training parts whose subject or pictures the weights were trained on."""
        scored = [placed for placed in clips if not placed.place.startswith("train")]
        seen = seen_of(record, [placed.clip for placed in scored], images=images)
        for kind, places in ((Kind.SUBJECT, seen.subjects), (Kind.IDENTICAL, seen.pictures), (Kind.ALIKE, seen.alike)):
            for place in sorted(places):
                self.note(kind, "weights", scored[place].place, _name(scored[place]))

    def neighbours(self, clips: Sequence[Placed]) -> None:
        """Clips of one film whose frames overlap or nearly touch, as far as onsets and offsets are known."""
        films: dict[Hashable, list[tuple[int, int, Placed]]] = defaultdict(list)
        for placed in clips:
            if span := _span(placed.clip):
                films[span[0]].append((span[1], span[2], placed))
        for spans in films.values():
            spans.sort(key=lambda each: each[:2])
            starts = [start for start, _, _ in spans]
            for index, (_, end, placed) in enumerate(spans):
                for begin, _, other in spans[index + 1 : bisect_left(starts, end + NEIGHBOURS + 1)]:
                    self.note(Kind.FRAMES, placed.place, other.place, f"{_name(placed)} and {_name(other)}, at {begin}")

    def images(self, clips: Sequence[Placed], seen: Sequence[Seen]) -> None:
        by_digest: dict[bytes, dict[str, Placed]] = defaultdict(dict)
        for each in seen:
            for digest in each.digests:
                by_digest[digest].setdefault(clips[each.index].place, clips[each.index])
        for owned in by_digest.values():
            names = sorted(owned)
            for index, place in enumerate(names):
                for another in names[index + 1 :]:
                    example = f"{_name(owned[place])} and {_name(owned[another])}"
                    self.note(Kind.IDENTICAL, place, another, example)
        if not (owners := [each for each in seen for _ in each.signatures]):
            return
        whole = np.stack([signature for each in seen for signature in each.signatures])
        turned = np.stack([signature for each in seen for signature in each.turned])
        told: set[tuple[int, int]] = set()
        for kind, pairs in ((Kind.ALIKE, close_pairs(whole)), (Kind.MIRRORED, close_pairs(whole, turned))):
            for one, other in pairs:
                here, there = owners[one], owners[other]
                pair = (here.index, there.index)
                first, second = clips[pair[0]], clips[pair[1]]
                if first.place != second.place and pair not in told and not here.digests & there.digests:
                    told.add(pair)
                    self.note(kind, first.place, second.place, f"{_name(first)} and {_name(second)}")

    def leaks(self) -> tuple[Leak, ...]:
        order = list(Kind)
        keys = sorted(self._counts, key=lambda key: (order.index(key[0]), key[1], key[2]))
        return tuple(Leak(key[0], (key[1], key[2]), self._counts[key], self._examples[key]) for key in keys)


def _name(placed: Placed) -> str:
    return f"{placed.clip.subject} {placed.clip.clip}"


def _span(clip: Clip) -> tuple[Hashable, int, int] | None:
    """Film, first and last frame. A picture whose name ends in a number is a frame of its folder and subject."""
    if is_vectors(clip.path):
        return None
    if clip.path.suffix.lower() in IMAGES:
        digits = clip.path.stem[len(clip.path.stem.rstrip("0123456789")) :]
        return ((place_on_disk(clip.path.parent), clip.subject), int(digits), int(digits)) if digits else None
    if clip.onset is None or clip.offset is None:
        return place_on_disk(clip.path), 0, WHOLE
    return place_on_disk(clip.path), clip.onset, clip.offset

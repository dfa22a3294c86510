"""Which files a clip's images are made of, known from names alone, and the digest that the images are kept under."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from p2pfl_me.contract.preprocess import Apex, Input
from p2pfl_me.data.clip import ApexSource, Clip
from p2pfl_me.data.frames import Listing, frame_files, is_clip_folder
from p2pfl_me.data.images import file_bytes
from p2pfl_me.data.preprocess.recipe import Recipe
from p2pfl_me.errors import DataError


@dataclass(frozen=True)
class ClipPlan:
    """`files` are all that the images depend on, in order of time; `numbers` their frames' (none of a picture).
    Frames that are held in memory have no files.

    `taken` are the places among them of the frames that become samples: of `flow` the onset and, once it is known, the
    apex; `None` stands for an apex that has yet to be searched.
    """

    files: tuple[Path, ...]
    numbers: tuple[int, ...]
    taken: tuple[int | None, ...]
    samples: int
    apex_source: ApexSource | None = None
    fps: float | None = None

    @property
    def is_picture(self) -> bool:
        return not self.numbers

    @property
    def places(self) -> range:
        """Of all the frames, in order of time; a picture is one."""
        return range(max(1, len(self.numbers)))


def plan_clip(clip: Clip, recipe: Recipe, listing: Listing = frame_files) -> ClipPlan:
    """What to read for one clip; whoever plans many gives them one `kept_listing()`.

    Raises
    ------
    DataError
        A folder lacks a frame, or magnification does not know the camera's rate.
    """
    if not is_clip_folder(clip.path):
        return ClipPlan((clip.path,), (), (0,), 1)
    frames = listing(clip.path)
    if not frames:
        raise DataError("holds no numbered images", where=str(clip.path), fix="correct the path or remove the row")
    plan = plan_frames(clip, tuple(frames), recipe)
    return replace(plan, files=tuple(frames[number] for number in plan.numbers))


def plan_frames(clip: Clip, frames: Sequence[int], recipe: Recipe) -> ClipPlan:
    """The same of frames with these numbers, sorted, wherever they lie; no files stand in it.

    Raises
    ------
    DataError
        As above.
    """
    onset = min(frames) if clip.onset is None else _present(clip, frames, clip.onset)
    span = _span(clip, frames)
    apex, source = _apex(clip, frames, span, recipe) if recipe.needs_apex else (None, None)
    if recipe.needs_apex:
        wanted = [onset, apex] if recipe.input is Input.FLOW else [apex]
    else:
        count = len(span) if recipe.input is Input.FRAME else min(recipe.options.frames, len(span))
        wanted = [span[place] for place in np.linspace(0, len(span) - 1, count).round().astype(int)]
    read = {number for number in wanted if number is not None}
    if recipe.aligned:
        read.add(onset)
    if recipe.options.magnify or None in wanted:
        read |= {onset, *span}
    numbers = tuple(sorted(read))
    return ClipPlan(
        (),
        numbers,
        tuple(None if number is None else numbers.index(number) for number in wanted),
        1 if recipe.input is Input.FLOW else len(wanted),
        source,
        _rate(clip) if recipe.options.magnify else None,
    )


def plan_digest(plan: ClipPlan, recipe: Recipe) -> bytes:
    """SHA-256 (32 bytes) of the files and of all that is done to them.

    Raises
    ------
    DataError
        A file cannot be read.
    """
    picture = "picture" if plan.is_picture else f"take {plan.taken} at {plan.fps}"
    digest = hashlib.sha256(f"{recipe}; {len(plan.files)} files, {picture}".encode())
    for path in plan.files:
        digest.update(hashlib.sha256(file_bytes(path)).digest())
    return digest.digest()


def sample_digest(clip: bytes, sample: int) -> bytes:
    """The key (32 bytes) of one of a clip's samples."""
    return hashlib.sha256(clip + sample.to_bytes(4, "little")).digest()


def _span(clip: Clip, frames: Sequence[int]) -> list[int]:
    """The frames from onset to offset; all, where none lies between."""
    first = min(frames) if clip.onset is None else clip.onset
    last = max(frames) if clip.offset is None else clip.offset
    return [number for number in frames if first <= number <= last] or list(frames)


def _apex(clip: Clip, frames: Sequence[int], span: list[int], recipe: Recipe) -> tuple[int | None, ApexSource]:
    way = recipe.options.apex
    if way is Apex.GIVEN:
        if clip.apex is not None:
            return _present(clip, frames, clip.apex), clip.apex_source or ApexSource.GIVEN
        way = recipe.options.apex_unknown
    if way is Apex.MIDDLE:
        return span[len(span) // 2], ApexSource.MIDDLE
    return None, ApexSource.FLOW


def _present(clip: Clip, frames: Sequence[int], number: int) -> int:
    if number not in frames:
        raise DataError(
            f"has no frame {number} (it has {min(frames)} to {max(frames)})",
            where=str(clip.path),
            fix=f"correct onset and apex of clip {clip.clip}",
        )
    return number


def _rate(clip: Clip) -> float:
    if clip.fps is None:
        raise DataError(
            f"the camera's rate of clip {clip.clip} is not known, and magnification needs it",
            where=str(clip.path),
            fix="give it in the manifest's column `fps`, or take model.preprocess.magnify out of the contract",
        )
    return clip.fps

"""All clips' images: those that the cache lacks are made on all cores, a window of clips at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from p2pfl_me.contract.preprocess import Faceless
from p2pfl_me.data.clip import Clip
from p2pfl_me.data.frames import kept_listing
from p2pfl_me.data.manifest import SHOWN
from p2pfl_me.data.preprocess.inputs import ClipImages, clip_images
from p2pfl_me.data.preprocess.note import NOTE_BYTES, ClipNote, FaceSource
from p2pfl_me.data.preprocess.plan import plan_clip, plan_digest, sample_digest
from p2pfl_me.data.preprocess.recipe import Recipe
from p2pfl_me.data.row_cache import RowCache
from p2pfl_me.errors import DataError
from p2pfl_me.machine import cores

Image = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]
Progress = Callable[[int, int], None]
WRITTEN = 64
"""Clips that are written to the cache at once: what a kill may cost, and what memory must hold."""

Given = TypeVar("Given")
Made = TypeVar("Made")


@dataclass(frozen=True, eq=False)
class Prepared:
    """The samples of some clips.

    `bank` uint8 (N, S, S, 3) is mapped and holds others' images, too; `rows` int64 (n,) are the samples' in it, `clips`
    int64 (n,) the places of their clips, `keys` the digests (32 bytes) that tell image and recipe. `notes` are the
    clips'.
    """

    bank: Image = field(repr=False)
    rows: Numbers = field(repr=False)
    clips: Numbers = field(repr=False)
    keys: tuple[bytes, ...] = field(repr=False)
    notes: tuple[ClipNote, ...] = field(repr=False)

    def image(self, sample: int) -> Image:
        """One sample's image, uint8 (S, S, 3)."""
        return np.asarray(self.bank[self.rows[sample]])


def prepare_clips(clips: Sequence[Clip], recipe: Recipe, cache: Path, progress: Progress | None = None) -> Prepared:
    """The images of `clips`, in their order.

    Parameters
    ----------
    progress:
        Called with (done, total) of the clips whose images had to be made.

    Raises
    ------
    DataError
        A clip cannot be used; or no face is found in some and the contract refuses those, all of which are named.
    """
    store = _store(cache, recipe)
    with _one_opencv_thread():
        samples = list(_planned(clips, recipe))
        keys = [[sample_digest(digest, sample) for sample in range(count)] for digest, count in samples]
        index = store.index()
        if any(key not in index for own in keys for key in own):
            with store.writing():
                index = store.index()
                lacking = {own[0]: place for place, own in enumerate(keys) if any(key not in index for key in own)}
                _make(clips, keys, list(lacking.values()), recipe, store, progress)
            index = store.index()
    rows = [[index[key] for key in own] for own in keys]
    notes = tuple(map(ClipNote.from_bytes, store.notes([own[0] for own in rows])))
    if recipe.aligned and recipe.options.faceless is Faceless.REFUSE:
        _refuse_faceless(clips, notes)
    return Prepared(
        store.bank(),
        np.array([row for own in rows for row in own], dtype=np.int64),
        np.repeat(np.arange(len(clips), dtype=np.int64), [len(own) for own in rows]),
        tuple(key for own in keys for key in own),
        notes,
    )


def clip_keys(clips: Sequence[Clip], recipe: Recipe) -> Iterator[bytes]:
    """The key of each clip's first sample, which covers all that its images are made of; none is made.

    Raises
    ------
    DataError
        A clip cannot be used.
    """
    for digest, _ in _planned(clips, recipe):
        yield sample_digest(digest, 0)


def _store(cache: Path, recipe: Recipe) -> RowCache:
    """Where the images of one recipe lie; another has files of its own."""
    name, shape = f"images-{recipe.digest().hex()[:24]}", (recipe.size, recipe.size, 3)
    return RowCache(cache, name, shape, np.uint8, NOTE_BYTES, what="image cache")


def _planned(clips: Sequence[Clip], recipe: Recipe) -> Iterator[tuple[bytes, int]]:
    """Each clip's digest and number of samples; plans are made again where needed, or long films would fill memory."""
    listing = kept_listing()

    def planned(clip: Clip) -> tuple[bytes, int]:
        plan = plan_clip(clip, recipe, listing)
        return plan_digest(plan, recipe), plan.samples

    return _in_order(planned, clips)


def _make(
    clips: Sequence[Clip],
    keys: Sequence[Sequence[bytes]],
    places: Sequence[int],
    recipe: Recipe,
    store: RowCache,
    progress: Progress | None,
) -> None:
    listing = kept_listing()

    def make(place: int) -> ClipImages:
        return clip_images(clips[place], recipe, listing)

    batch: list[tuple[int, ClipImages]] = []
    for done, found in enumerate(zip(places, _in_order(make, places), strict=True), 1):
        batch.append(found)
        if len(batch) == WRITTEN or done == len(places):
            images = np.concatenate([made.images for _, made in batch])
            notes = [made.note.to_bytes() for _, made in batch for _ in made.images]
            store.append([key for place, _ in batch for key in keys[place]], images, notes)
            batch.clear()
        if progress:
            progress(done, len(places))


def _in_order(work: Callable[[Given], Made], items: Iterable[Given]) -> Iterator[Made]:
    """The results in order, from as many threads as there are cores; no more than a few are held at once.

    OpenCV and hashing work outside the interpreter's lock.
    """
    workers = cores()
    waiting: deque[Future[Made]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > 4 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for each in waiting:
                each.cancel()


@contextmanager
def _one_opencv_thread() -> Iterator[None]:
    """The clips share the cores, so each is worked on by one; OpenCV's own number of threads is put back afterwards."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _refuse_faceless(clips: Sequence[Clip], notes: Sequence[ClipNote]) -> None:
    faceless = [clip for clip, note in zip(clips, notes, strict=True) if note.face is FaceSource.WHOLE]
    if not faceless:
        return
    named = "\n".join(f"  {clip.path}" for clip in faceless[:SHOWN])
    more = f"\n  and {len(faceless) - SHOWN} more" if len(faceless) > SHOWN else ""
    raise DataError(
        f"no face is found in the onset of {len(faceless)} of {len(clips)} clips:\n{named}{more}",
        fix="crop them, correct their onsets, or take them whole with model.preprocess.faceless: whole",
    )

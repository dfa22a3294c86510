"""From one clip's files to the images that the network takes. No cache, no threads: a function of plan and recipe."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from p2pfl_me.contract import Contract
from p2pfl_me.contract.preprocess import Input
from p2pfl_me.data.blank import read_shown
from p2pfl_me.data.clip import Clip
from p2pfl_me.data.frames import Listing, frame_files
from p2pfl_me.data.images import resized
from p2pfl_me.data.preprocess.alignment import Alignment, align_face, align_whole
from p2pfl_me.data.preprocess.apex import greatest_flow
from p2pfl_me.data.preprocess.faces import EyesSource, find_faces, two_are_meant
from p2pfl_me.data.preprocess.flow import STILL, flow_image
from p2pfl_me.data.preprocess.magnification import band_pass, magnify
from p2pfl_me.data.preprocess.note import ClipNote, FaceSource
from p2pfl_me.data.preprocess.plan import ClipPlan, plan_clip
from p2pfl_me.data.preprocess.recipe import Recipe, recipe_of
from p2pfl_me.data.preprocess.regions import mask

Image = npt.NDArray[np.uint8]
View = Callable[[int], Image]
"""A picture by the frame's place in the plan."""
Align = Callable[[Image], tuple[Alignment, FaceSource]]


@dataclass(frozen=True, eq=False)
class ClipImages:
    """`images` uint8 (n, S, S, 3): one of a clip, or one of each frame that is a sample."""

    images: Image = field(repr=False)
    note: ClipNote


def images_of(contract: Contract, clip: Clip) -> Image:
    """uint8 (n, S, S, 3): the samples of one clip, as they are prepared for training.

    Raises
    ------
    DataError
        A file is missing or is no image, or a folder lacks the frame.
    """
    return clip_images(clip, recipe_of(contract.model)).images


def clip_images(clip: Clip, recipe: Recipe, listing: Listing = frame_files) -> ClipImages:
    """The network's images of one clip; `listing` as for `plan_clip`.

    Raises
    ------
    DataError
        A file is missing, damaged, no image or shows nothing, or a folder lacks the frame.
    """
    return planned_images(plan_clip(clip, recipe, listing), recipe)


def planned_images(plan: ClipPlan, recipe: Recipe) -> ClipImages:
    """The same, of a plan that stands."""
    if plan.is_picture and recipe.input is Input.FLOW:  # a flow image already
        return ClipImages(resized(read_shown(plan.files[0]), recipe.size)[None], ClipNote())
    return frames_images(plan, recipe, lambda place: read_shown(plan.files[place]))


def frames_images(plan: ClipPlan, recipe: Recipe, frame: View, align: Align | None = None) -> ClipImages:
    """The same, of frames wherever they lie: of files, or of a film that is being watched.

    Parameters
    ----------
    frame:
        The frame at a place in the plan, uint8 (H, W, 3).
    align:
        How the onset tells the clip's transform, `align_frame` by default.
    """
    view, face = _view(plan, recipe, frame, align or align_frame)
    places = [_search(plan, view, recipe) if place is None else place for place in plan.taken]
    pictures = _magnified(plan, view, places, recipe) if plan.fps else map(view, places)
    if recipe.input is Input.FLOW:
        onset, apex = pictures
        images = flow_image(onset, apex, recipe.flow, recipe.size)[None]
    else:
        images = np.stack(list(_seen(pictures, recipe)))
    apex_number = plan.numbers[places[-1]] if plan.apex_source else None
    return ClipImages(images, ClipNote(apex_number, plan.apex_source, face))


def align_frame(frame: Image) -> tuple[Alignment, FaceSource]:
    """A clip's transform, from its onset (H, W, 3): by the largest face, or of the whole frame where there is none."""
    faces = find_faces(frame)
    if not faces:
        return align_whole(frame.shape[1], frame.shape[0]), FaceSource.WHOLE
    face = faces[0]
    if two_are_meant(faces):
        return align_face(face), FaceSource.LARGEST
    return align_face(face), FaceSource.EYES if face.eyes is EyesSource.SEEN else FaceSource.BOX


def _view(plan: ClipPlan, recipe: Recipe, frame: View, align: Align) -> tuple[View, FaceSource | None]:
    """The pictures that are worked on."""
    if recipe.aligned:
        onset = frame(0)
        alignment, source = align(onset)
        first = alignment.picture(onset)
        return lambda place: first if place == 0 else alignment.picture(frame(place)), source
    if recipe.input is Input.FLOW or plan.fps or None in plan.taken:
        return lambda place: _square(frame(place), recipe.side), None
    return frame, None


def _search(plan: ClipPlan, view: View, recipe: Recipe) -> int:
    return greatest_flow(view(0), map(view, plan.places), recipe.search)


def _magnified(plan: ClipPlan, view: View, places: list[int], recipe: Recipe) -> Iterable[Image]:
    options = recipe.options.magnify
    assert options is not None and plan.fps is not None, "a plan has a rate where the recipe magnifies"
    weights = band_pass(len(plan.places), plan.fps, options.low_hz, options.high_hz)
    return magnify(map(view, plan.places), weights, places, options.alpha)


def _seen(pictures: Iterable[Image], recipe: Recipe) -> Iterator[Image]:
    """Each picture at the network's size; of aligned faces only what the masks keep."""
    kept = mask(recipe.options.mask, recipe.side) if recipe.options.mask else None
    for picture in pictures:
        if kept is not None:
            picture = np.where(kept[..., None], picture, np.array(STILL, dtype=np.uint8))
        yield resized(picture, recipe.size)


def _square(frame: Image, side: int) -> Image:
    return np.asarray(cv2.resize(frame, (side, side), interpolation=cv2.INTER_AREA), dtype=np.uint8)

"""Clips from arrays that a notebook holds: images, or rows that a network takes as they are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from p2pfl_me.api.given import given_texts
from p2pfl_me.data.cells import is_nobody
from p2pfl_me.data.labels import alike_words
from p2pfl_me.data.spelling import clean, loose
from p2pfl_me.errors import DataError
from p2pfl_me.home import cache_dir, home

Data = "Clips | Path | str | None"

MOST_CLASSES = 1000
"""That labels which are numbers stand for, where nobody names them."""


@dataclass(frozen=True, eq=False)
class Clips:
    """Samples with labels and subjects, each a clip of its own.

    `x` is uint8 (n, H, W, 3), RGB images that are brought to the network's size; or float32 (n, ...), which is taken as
    it is. `y` int64 (n,) numbers `classes`. `subjects` (n,) name who is seen: nobody is in training and test.
    """

    x: npt.NDArray[Any] = field(repr=False)
    y: npt.NDArray[np.int64] = field(repr=False)
    subjects: tuple[str, ...] = field(repr=False)
    classes: tuple[str, ...]
    dataset: str = "arrays"

    @staticmethod
    def from_arrays(
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        subjects: npt.ArrayLike | Sequence[str | int],
        dataset: str = "arrays",
        *,
        classes: Sequence[str] | None = None,
    ) -> Clips:
        """Clips from arrays or CPU tensors.

        Parameters
        ----------
        x:
            uint8 (n, H, W, 3) images, or floating-point (n, ...) inputs of the network.
        y:
            Labels (n,): texts, or numbers of `classes` from 0 on.
        subjects:
            Who is seen in each, (n,).
        dataset:
            The lab; its subject 3 is another person than the subject 3 of another.
        classes:
            Their names in the order of the outputs; by default the sorted texts, or the numbers.

        Raises
        ------
        DataError
            The shapes do not fit together, or the values are none that can be trained on.
        """
        inputs, labels, people = as_array("x", x), as_array("y", y), _people(as_array("subjects", subjects))
        lab = given_texts([dataset], "dataset", "mylab")[0].strip()
        if not lab or any(not letter.isprintable() for letter in lab):
            raise _fault("dataset", f"`{dataset}` is no name of a data set", "give one, as `mylab`")
        count = len(inputs) if inputs.ndim else 0
        if inputs.dtype == np.uint8:
            if inputs.ndim != 4 or inputs.shape[-1] != 3:
                raise _fault("x", f"uint8 of shape {inputs.shape} is no batch of images", "give (n, H, W, 3), RGB")
        elif inputs.dtype.kind != "f" or inputs.ndim < 2:
            shown = f"{inputs.dtype} of shape {inputs.shape}"
            raise _fault("x", f"{shown} can be neither", "give uint8 (n, H, W, 3) images or float32 (n, ...)")
        else:
            with np.errstate(over="ignore"):  # what is too large becomes infinite
                inputs = np.ascontiguousarray(inputs, dtype=np.float32)
            if not np.isfinite(inputs).all():
                what = "holds NaN or infinite values, or such as are too large for float32"
                raise _fault("x", what, "leave those samples out")
        for name, length in (("y", labels.shape), ("subjects", (len(people),))):
            if length != (count,):
                raise _fault(name, f"has shape {length}, x has {count} samples", f"give {count} values")
        if count == 0:
            raise _fault("x", "holds no sample", "give some")
        numbers, names = _numbered(labels, classes)
        if inputs.dtype != np.uint8:
            _require_told_apart(people, lab)
        return Clips(inputs, numbers, tuple(people), names, lab)

    def __len__(self) -> int:
        return len(self.y)

    @property
    def rows(self) -> bool:
        """Whether the samples are taken as they are, and no images."""
        return self.x.dtype != np.uint8

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of all that is in them."""
        found = hashlib.sha256(json.dumps([self.subjects, self.classes, self.dataset, self.x.shape]).encode())
        found.update(np.ascontiguousarray(self.y).data)
        found.update(np.ascontiguousarray(self.x).data)
        return found.hexdigest()

    def path(self) -> Path:
        """A file or folder that holds them, in the user's private cache: what peers in other processes read.

        Raises
        ------
        DataError
            The disk is full.
        """
        folder = cache_dir(home()) / f"arrays-{self.digest[:24]}"
        done = folder / ("rows.safetensors" if self.rows else "manifest.csv")
        if not done.exists():
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._write_rows(done) if self.rows else self._write_images(folder)
            except OSError as error:
                raise DataError(
                    f"the arrays cannot be kept: {error.strerror}", where=str(folder), fix="free some space"
                ) from error
        return done if self.rows else folder

    def _write_rows(self, path: Path) -> None:
        from safetensors.numpy import save

        from p2pfl_me.atomic import write_whole

        people = sorted(set(self.subjects))
        tensors = {
            "features": self.x.reshape(len(self), -1),
            "labels": self.y,
            "subjects": np.array([people.index(subject) for subject in self.subjects], dtype=np.int64),
        }
        write_whole(path, save(tensors, {"classes": json.dumps(self.classes), "dataset": self.dataset}))

    def _write_images(self, folder: Path) -> None:
        import csv
        import io

        import cv2

        from p2pfl_me.atomic import write_whole

        text = io.StringIO()
        lines = csv.writer(text, lineterminator="\n")
        lines.writerow(["path", "dataset", "subject", "clip", "label"])
        for number, image in enumerate(self.x):
            name = f"{number:06d}.png"
            _, encoded = cv2.imencode(".png", np.ascontiguousarray(image[..., ::-1]))
            write_whole(folder / name, encoded.tobytes())
            label = self.classes[self.y[number]]
            lines.writerow([name, self.dataset, self.subjects[number], f"{number:06d}", label])
        write_whole(folder / "manifest.csv", text.getvalue())  # last: what has one is complete


def path_of(data: Clips | Path | str | None) -> Path | None:
    """Where the clips lie that a caller named in one of the ways there are.

    Raises
    ------
    DataError
        It is something else, such as an array without labels and subjects.
    """
    if data is None:
        return None
    if isinstance(data, Clips):
        return data.path()
    if isinstance(data, str | Path):
        return Path(data)
    raise DataError(
        f"a {type(data).__name__} is no clips: labels and subjects are missing",
        where="data",
        fix="give Clips.from_arrays(x, y, subjects), or the path of a manifest or folder",
    )


def _people(subjects: npt.NDArray[Any]) -> list[str]:
    """The subjects' names; of numbers whole ones alone, as a lost one becomes NaN, and all the lost would be one."""
    if subjects.ndim != 1:
        raise _fault("subjects", f"have the shape {subjects.shape}", "give one for each sample")
    names = [int(each) if isinstance(each, float) and each.is_integer() else each for each in subjects.tolist()]
    for each in names:
        known = isinstance(each, str) and _is_name(each) and not is_nobody(each)
        if not known and (not isinstance(each, int) or isinstance(each, bool) or each < 0):
            fix = "give texts or whole numbers from 0 on, and leave samples of nobody out"
            raise _fault("subjects", f"`{each}` is nobody", fix)  # -1 is what codes have for a lost name
    return [clean(str(each)) for each in names]


def _require_told_apart(people: Sequence[str], lab: str) -> None:
    """See that no two spellings could be one person: rows of numbers keep no names, so that no run could ask."""
    first: dict[tuple[str, ...], str] = {}
    for name in dict.fromkeys(people):
        other = first.setdefault(loose(name, inside=lab), name)
        if other != name:
            fix = "spell one person in one way; of two people, name one otherwise, or number both"
            raise _fault("subjects", f"`{other}` and `{name}` may be one person", fix)


def as_array(name: str, value: Any) -> npt.NDArray[Any]:
    """What a caller gives as an array; a tensor is brought from its device.

    Raises
    ------
    DataError
        It cannot be made one, or hides values behind a mask.
    """
    try:
        hides = isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value)
        found = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    except Exception as error:  # of whatever kind the caller's type raises
        raise _fault(name, f"cannot be made an array: {error}", "give an array, a list or a CPU tensor") from error
    if hides:
        raise _fault(name, "hides values behind a mask", "leave those samples out")
    return found


def _numbered(labels: npt.NDArray[Any], classes: Sequence[str] | None) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
    """Labels as numbers of classes, and the classes' names."""
    if isinstance(classes, str):
        raise _fault("classes", f"`{classes}` is one text", 'give several: classes=["negative", "positive"]')
    if labels.dtype.kind in "iu":
        numbers = labels.astype(np.int64)
        highest = max(int(labels.max()), 0 if numbers.min() >= 0 else 1)
        if not classes and highest >= MOST_CLASSES:
            raise _fault("y", f"holds {highest}, a number of no class", "number the classes from 0 on, or give classes")
        names = tuple(map(str, classes)) if classes else tuple(str(each) for each in range(highest + 1))
        if not classes and numbers.min() >= 0 and (unseen := sorted(set(range(highest)) - set(numbers.tolist()))):
            raise _fault(  # a class that nobody shows would count in every mean over classes
                "y",
                f"goes up to {highest}, and no sample is of class {unseen[0]}",
                "number the classes from 0 on without gaps, or name all of them: classes=[...]",
            )
    elif labels.dtype.kind in "UO":
        texts = labels.tolist()
        for each in texts:
            if not isinstance(each, str) or not _is_name(each) or (is_nobody(each) and not classes):
                raise _fault("y", f"holds `{each}`, which is no label", "give texts, and leave samples without one out")
        names = tuple(map(str, classes)) if classes else tuple(sorted(set(texts)))
        if not classes and (words := alike_words(texts)):
            raise _fault("y", f"has {words}", "name them: classes=[...], or mend the labels")
        if strangers := sorted(set(texts) - set(names)):
            raise _fault("y", f"names `{strangers[0]}`, which is none of the classes", f"known: {', '.join(names)}")
        numbers = np.array([names.index(text) for text in texts], dtype=np.int64)
    else:
        raise _fault("y", f"{labels.dtype} are no labels", "give texts, or whole numbers from 0 on")
    if len(set(names)) != len(names) or len(names) < 2 or not all(map(_is_name, names)):
        raise _fault("classes", f"{list(names)} are no classes", "give at least two different ones")
    if numbers.min() < 0 or numbers.max() >= len(names):
        worst = int(numbers.min() if numbers.min() < 0 else numbers.max())
        raise _fault("y", f"holds {worst}, and classes go from 0 to {len(names) - 1}", "number the classes from 0 on")
    return numbers, names


def _is_name(text: str) -> bool:
    """Whether it can stand in a manifest and on a page."""
    return text.isprintable() and bool(text.strip())


def _fault(where: str, what: str, fix: str) -> DataError:
    """Any text can be shown, even one that cannot be written down."""
    what, fix = (each.encode(errors="backslashreplace").decode(errors="replace") for each in (what, fix))
    return DataError(what, where=where, fix=fix)

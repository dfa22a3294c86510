"""Writing a twin: frames on all cores, the sheet, and the list of what was planted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from p2pfl_me.atomic import making_folder, undrafted
from p2pfl_me.choice import derive_seed
from p2pfl_me.data.clip import Row
from p2pfl_me.data.drawn import mark_folder, mark_text, signed
from p2pfl_me.data.twins.film import Frame, actor_of, encoded, take_frames
from p2pfl_me.data.twins.old_sheet import old_sheet
from p2pfl_me.data.twins.recipe import Book, Cell, Recipe, Tree
from p2pfl_me.data.twins.take import Folder, Planted, Take, TwinSpec, plan_takes, plant
from p2pfl_me.errors import DataError
from p2pfl_me.files import refusing
from p2pfl_me.machine import cores
from p2pfl_me.progress import Progress

HEIGHT = 320
"""Pixels of a frame's height unless another is asked for: quick to draw, and large enough for a face detector."""


@dataclass(frozen=True)
class Twin:
    """What was written, and what a check of it must name."""

    folder: Path
    clips: int
    planted: tuple[Planted, ...]


def write_twin(
    recipes: Sequence[Recipe], folder: Path, spec: TwinSpec, title: str, progress: Progress | None = None
) -> Twin:
    """Draw a twin into a new folder.

    Raises
    ------
    DataError
        The folder holds something already, cannot be written, or the twin is too small for what is to be planted.
    """
    if folder.exists() and (not folder.is_dir() or any(undrafted(folder.iterdir()))):
        raise DataError("is no empty folder", where=str(folder), fix="name a new one with -o")
    planned = [(recipe, _takes(recipe, spec, title)) for recipe in recipes]
    total, done = sum(len(takes) for _, takes in planned), 0
    with (
        refusing(DataError, folder, "free some space, or name another", "the twin cannot be written"),
        making_folder(folder) as draft,
    ):
        with ThreadPoolExecutor(cores()) as pool:  # drawing and encoding work outside the interpreter's lock
            for recipe, takes in planned:
                sources = {take.serial: take for take in takes}
                jobs = [pool.submit(_draw, recipe, take, sources, draft, spec) for take in takes]
                for job in jobs:
                    job.result()
                    done += 1
                    if progress:
                        progress(done, total)
        mark_folder(draft, f"a twin of {title}, seed {spec.seed}")
        planted = [each for recipe, takes in planned for each in _finish(recipe, takes, draft)]
    return Twin(folder, total, tuple(planted))


def _takes(recipe: Recipe, spec: TwinSpec, title: str) -> list[Take]:
    filmed = replace(spec, subjects=max(1, round(recipe.share * spec.subjects)))
    takes = plan_takes(filmed, recipe.labels, first=recipe.first, films=recipe.films)
    plants = (*recipe.quirks, *recipe.faults) if spec.faults else recipe.quirks
    return plant(takes, plants, filmed, title)


def _draw(recipe: Recipe, take: Take, takes: dict[int, Take], folder: Path, spec: TwinSpec) -> None:
    for tree in recipe.trees:
        if take.folder is not Folder.GONE:
            (folder / tree.name(take, take.onset)).parent.mkdir(parents=True, exist_ok=True)
    if take.folder is not Folder.THERE:
        return
    shown = takes[take.copies] if take.copies is not None else take
    height = min(spec.height or HEIGHT, recipe.size[1])
    size = (round(recipe.size[0] * height / recipe.size[1]), height)
    actor = actor_of(spec.seed, recipe.dataset, shown.subject)
    by = 0 if take.count_from is None else take.count_from - take.onset
    margin = 0 if take.count_from is not None else recipe.margin
    seed = derive_seed(spec.seed, recipe.dataset, recipe.camera)
    for number, frame in take_frames(actor, shown, size, recipe.drawing, seed, margin):
        if number not in take.lacking:
            for tree in recipe.trees:
                _write(folder / tree.name(take, number + by), tree, frame, recipe, torn=number in take.torn)


def _write(path: Path, tree: Tree, frame: Frame, recipe: Recipe, *, torn: bool) -> None:
    data = signed(encoded(_cut(frame, tree), path.suffix, grey=recipe.grey))
    path.write_bytes(data[: len(data) // 40] if torn else data)


def _cut(frame: Frame, tree: Tree) -> Frame:
    if tree.face is None:
        return frame
    height, width = frame.shape[:2]
    across, down = (round(share * height / 2) for share in tree.face)
    return frame[height // 2 - down : height // 2 + down, width // 2 - across : width // 2 + across]


def _finish(recipe: Recipe, takes: Sequence[Take], folder: Path) -> list[Planted]:
    rows = [_row(recipe, take, index) for index, take in enumerate(takes)]
    if recipe.book:
        _write_book(recipe.book, takes, folder)
    return [Planted(kind, text, row) for take, row in zip(takes, rows, strict=True) for kind, text in take.planted]


def _row(recipe: Recipe, take: Take, index: int) -> Row:
    """The row of the sheet, or the clip's folder as a data set without a sheet names it."""
    if recipe.book:
        return Row(PurePosixPath(recipe.book.name).name, len(recipe.book.above) + 2 + index)
    place = PurePosixPath(recipe.trees[0].name(take, take.onset)).parent
    return Row(str(PurePosixPath(*place.parts[1:])))


def _write_book(book: Book, takes: Sequence[Take], folder: Path) -> None:
    by_serial = {take.serial: take for take in takes}
    shown = [by_serial[take.repeats] if take.repeats is not None else take for take in takes]
    written: list[dict[str, Cell]] = [{**book.cells(row), **take.cells} for row, take in zip(shown, takes, strict=True)]
    _write_sheet(folder / book.name, _table(book, written))
    if book.older:  # each label that of the next clip: whoever reads this sheet gets them wrong
        labels = [cells["label"] for cells in written]
        wrong = [{**cells, "label": label} for cells, label in zip(written, labels[1:] + labels[:1], strict=True)]
        _write_sheet(folder / book.older, _table(book, wrong))


def _table(book: Book, written: Sequence[Mapping[str, Cell]]) -> list[list[Cell]]:
    rows = [[cells.get(name) for name in book.columns] for cells in written]
    above: list[list[Cell]] = [[text] for text in book.above]
    below: list[list[Cell]] = [[text] for text in book.below]
    return [*above, list(book.header), *rows, *below]


def _write_sheet(path: Path, rows: Sequence[Sequence[Cell]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".xls":
        path.write_bytes(old_sheet(rows))
        return
    import openpyxl

    book = openpyxl.Workbook(write_only=True)
    book.properties.description = mark_text("a sheet of a twin")
    sheet = book.create_sheet("Sheet1")
    for row in rows:
        sheet.append(list(row))
    book.save(path)

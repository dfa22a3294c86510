"""A subject who withdraws: out of the local manifest, and the runs whose models have seen it.

What was trained cannot be untrained: gossip carries every peer's clips into every peer's model, so a run with the
subject in any peer's training part has to be made anew.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from p2pfl_me.data.audit.parts import shard_folders
from p2pfl_me.data.manifest import manifest_path
from p2pfl_me.errors import DataError


@dataclass(frozen=True)
class Run:
    """What one run did with a subject: clips trained on and validated on, by peer; clips tested on."""

    folder: Path
    trained: dict[int, int]
    watched: dict[int, int]
    tested: int


@dataclass(frozen=True)
class Runs:
    """`saw` and `spared` the subject; `evaluated` are evaluations with it; `silent` ones hold no shares, as those of a
    deployed peer that read its own --data."""

    saw: tuple[Run, ...]
    spared: tuple[Path, ...]
    evaluated: tuple[Path, ...]
    silent: tuple[Path, ...]


@dataclass(frozen=True)
class Rows:
    """A manifest as text: header, rows, and whose each is."""

    path: Path
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    subjects: tuple[str, ...]

    def without(self, subject: str) -> Rows:
        """The same, every other cell as it is.

        Raises
        ------
        DataError
            The subject has no row.
        """
        if subject not in self.subjects:
            near = get_close_matches(subject, set(self.subjects), n=3, cutoff=0.3)
            raise DataError(
                f"has no clip of {subject}",
                where=str(self.path),
                fix=f"did you mean {' or '.join(near)}?" if near else "a subject is named DATASET/SUBJECT",
            )
        kept = [(row, who) for row, who in zip(self.rows, self.subjects, strict=True) if who != subject]
        return Rows(self.path, self.header, tuple(row for row, _ in kept), tuple(who for _, who in kept))

    def splits(self, subject: str) -> Counter[str]:
        """Clips of a subject by split."""
        place = self.header.index("split") if "split" in self.header else None
        pairs = zip(self.rows, self.subjects, strict=True)
        return Counter(
            row[place] if place is not None and place < len(row) else "" for row, who in pairs if who == subject
        )


def read_rows(path: Path) -> Rows:
    """The rows of a manifest; whether their files are still there is not asked.

    Raises
    ------
    DataError
        No manifest.
    """
    source = manifest_path(path)
    try:
        with source.open(newline="", encoding="utf-8-sig") as file:
            header, *rows = csv.reader(file)
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"cannot be read: {error}", where=str(source), fix="name a manifest in CSV") from error
    names = tuple(name.strip().lower() for name in header)
    if not {"dataset", "subject"} <= set(names):
        raise DataError("has no columns `dataset` and `subject`", where=str(source), fix="name a manifest")
    dataset, person = names.index("dataset"), names.index("subject")
    whole = [tuple(row) for row in rows if len(row) > max(dataset, person)]
    return Rows(source, names, tuple(whole), tuple(_namespaced(row[dataset], row[person]) for row in whole))


def write_rows(rows: Rows, path: Path) -> None:
    """Replace `path` at once, so that it is never half-written.

    Raises
    ------
    DataError
        It cannot be written.
    """
    draft = path.with_name(f".{path.name}.draft")
    try:
        with draft.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([rows.header, *rows.rows])
        draft.replace(path)
    except OSError as error:
        raise DataError(f"cannot be written: {error.strerror}", where=str(path), fix="name another with -o") from error


def runs_with(subject: str, places: Sequence[Path]) -> Runs:
    """What the runs in `places` (runs, or folders of runs) did with a subject.

    Raises
    ------
    DataError
        A place is no folder, or holds no run.
    """
    saw: list[Run] = []
    spared: list[Path] = []
    evaluated: list[Path] = []
    silent: list[Path] = []
    for place in places:
        shares = shard_folders(place)
        splits = sorted(place.rglob("split.json"))
        recorded = {folder.parent for folder in shares}
        alone = sorted({path.parent for path in place.rglob("contract.yaml")} - recorded)
        if not (shares or splits or alone):
            raise DataError("holds no run", where=str(place), fix="name runs, evaluations, or folders of them")
        for folder in shares:
            run = _run(folder, subject)
            if run.trained or run.watched or run.tested:
                saw.append(run)
            else:
                spared.append(run.folder)
        evaluated += [path.parent for path in splits if _holds(path, subject)]
        silent += alone
    return Runs(tuple(saw), tuple(spared), tuple(evaluated), tuple(silent))


def _run(folder: Path, subject: str) -> Run:
    trained, watched, tested = {}, {}, 0
    for path in sorted(folder.glob("*.csv")):
        splits = read_rows(path).splits(subject)
        if path.stem == "test":
            tested = splits.total()
            continue
        peer = int(path.stem.removeprefix("peer-"))
        if splits["validation"]:
            watched[peer] = splits["validation"]
        if rest := splits.total() - splits["validation"]:
            trained[peer] = rest
    return Run(folder.parent if folder.name == "shards" else folder, trained, watched, tested)


def _holds(path: Path, subject: str) -> bool:
    """Whether an evaluation's split names a subject; one by frames names none, and may hold anybody."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return bool(values.get("subjects_leak")) or any(subject in fold["held_out"] for fold in values["folds"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"is no split: {error}", where=str(path), fix="leave it out") from error


def _namespaced(dataset: str, subject: str) -> str:
    dataset, subject = dataset.strip(), subject.strip()
    return subject if subject.startswith(f"{dataset}/") else f"{dataset}/{subject}"

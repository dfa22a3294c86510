"""A subject who withdraws: out of the local manifest, and the runs whose models have seen it.

A misspelt name must not pass for one that nobody saw, so a name that no run knows is refused.

What was trained cannot be untrained: gossip carries every peer's clips into every peer's model, so a run with the
subject in any peer's training part has to be made anew.
"""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from itertools import zip_longest
from pathlib import Path

from p2pfl_me.atomic import undrafted, write_whole
from p2pfl_me.data.audit.parts import shard_folders
from p2pfl_me.data.clip import Problem
from p2pfl_me.data.columns import length_problem
from p2pfl_me.data.identity_rules import ASK, IdentityRules, Said
from p2pfl_me.data.manifest import manifest_path
from p2pfl_me.data.quoted import whole_rows, why
from p2pfl_me.data.spelling import alike, clean
from p2pfl_me.errors import DataError
from p2pfl_me.files import open_text, read_json, refusing

EVALUATION = ("evaluation.json", "split.json")
"""Either is in an evaluation's folder: the first from its beginning, the second once it is finished."""


@dataclass(frozen=True)
class Run:
    """What one run did with a subject: clips trained on and validated on, by peer; clips tested on."""

    folder: Path
    trained: dict[int, int]
    watched: dict[int, int]
    tested: int


@dataclass(frozen=True)
class Runs:
    """`saw` and `spared` the subject; `evaluated` are evaluations with it; `silent` ones name no subjects, as those of
    a deployed peer that read its own --data. `known` are the subjects that the others name."""

    saw: tuple[Run, ...]
    spared: tuple[Path, ...]
    evaluated: tuple[Path, ...]
    silent: tuple[Path, ...]
    known: frozenset[str]

    def require(self, subject: str, rules: IdentityRules = ASK) -> None:
        """See that some run knows the name.

        Raises
        ------
        DataError
            None does: it may be misspelt.
        """
        if not any(_is(subject, name, rules) for name in self.known):
            silent = ", ".join(map(str, self.silent))
            more = f"; look, too, into the manifests that were given to these, which name no subjects: {silent}"
            raise DataError(
                f"none of these runs knows {subject}", fix=_meant(subject, self.known) + (more if silent else "")
            )


@dataclass(frozen=True)
class Rows:
    """A manifest as text: header, rows, and whose each is; `told` are those of whom it says who they are."""

    path: Path
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    subjects: tuple[str, ...]
    told: frozenset[str]

    def without(self, subject: str, rules: IdentityRules = ASK) -> Rows:
        """The same, every other cell as it is.

        Raises
        ------
        DataError
            The subject has no row, or another spelling could be the same person.
        """
        gone = self.spellings(subject, rules)
        if not gone:
            raise DataError(f"has no clip of {subject}", where=str(self.path), fix=_meant(subject, set(self.subjects)))
        kept = [(row, who) for row, who in zip(self.rows, self.subjects, strict=True) if who not in gone]
        return Rows(self.path, self.header, tuple(row for row, _ in kept), tuple(who for _, who in kept), self.told)

    def spellings(self, subject: str, rules: IdentityRules) -> frozenset[str]:
        """The names here that are the subject.

        Raises
        ------
        DataError
            Another spelling could be the same person, and nobody said whether it is: passed over, it would stay.
        """
        return _spellings(subject, set(self.subjects), rules, self.path, self.told)

    def splits(self, names: Collection[str]) -> Counter[str]:
        """Clips of these subjects by split."""
        place = self.header.index("split") if "split" in self.header else None
        pairs = zip(self.rows, self.subjects, strict=True)
        return Counter(
            row[place] if place is not None and place < len(row) else "" for row, who in pairs if who in names
        )


def read_rows(path: Path) -> Rows:
    """The rows of a manifest; whether their files are still there is not asked.

    Raises
    ------
    DataError
        No manifest.
    """
    source = manifest_path(path)
    if path.is_dir() and not source.exists():
        fix = f"write one: p2pme data manifest {path} -o manifest.csv"
        raise DataError("holds no manifest.csv, out of which a subject can be taken", where=str(path), fix=fix)
    try:
        with open_text(source) as file:
            header, *lines = whole_rows(file)
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"cannot be read: {why(error)}", where=str(source), fix="name a manifest in CSV") from error
    names = tuple(clean(name).lower() for name in header[1])
    if not {"dataset", "subject"} <= set(names):
        raise DataError("has no columns `dataset` and `subject`", where=str(source), fix="name a manifest")
    if problem := next(filter(None, map(partial(_ragged, names), lines)), None):
        fix = "correct the row: whose it is, and whether the subject's, nobody can say"
        raise DataError(str(problem), where=str(source), fix=fix)
    rows = [row for _, row in lines]
    dataset, subject = names.index("dataset"), names.index("subject")
    person = names.index("person") if "person" in names else None
    said = [row[person].strip() if person is not None and person < len(row) else "" for row in rows]
    who = [_namespaced(row[dataset], each or row[subject]) for row, each in zip(rows, said, strict=True)]
    told = frozenset(name for name, each in zip(who, said, strict=True) if each)
    return Rows(source, names, tuple(map(tuple, rows)), tuple(who), told)


def _ragged(names: Sequence[str], line: tuple[int, Sequence[str]]) -> Problem | None:
    """What is wrong with a row whose cells do not stand under the columns."""
    number, row = line
    cells: dict[str | None, str | list[str] | None] = dict(zip_longest(names, row[: len(names)]))
    return length_problem(number, {**cells, None: list(row[len(names) :])})


def write_rows(rows: Rows, path: Path) -> None:
    """Replace `path` at once, so that it is never half-written. In another folder relative paths are rewritten, so that
    they lead to the same files.

    Raises
    ------
    DataError
        It cannot be written.
    """
    text = io.StringIO(newline="")
    csv.writer(text).writerows([rows.header, *(_moved(row, rows, path.parent) for row in rows.rows)])
    with refusing(DataError, path, "name another with -o"):
        write_whole(path, text.getvalue())


def _moved(row: tuple[str, ...], rows: Rows, folder: Path) -> tuple[str, ...]:
    here, at = rows.path.parent, rows.header.index("path") if "path" in rows.header else len(row)
    if at >= len(row) or not row[at].strip() or os.path.isabs(row[at]) or here.resolve() == folder.resolve():  # noqa: PTH117
        return row
    return (*row[:at], os.path.relpath(here / row[at].strip(), folder), *row[at + 1 :])


def runs_with(subject: str, places: Sequence[Path], rules: IdentityRules = ASK) -> Runs:
    """What the runs in `places` (runs, or folders of runs) did with a subject.

    Raises
    ------
    DataError
        A place is no folder, or holds no run, or names somebody who could be the subject.
    """
    saw: list[Run] = []
    spared: list[Path] = []
    evaluated: list[Path] = []
    silent: list[Path] = []
    known: set[str] = set()
    for place in places:
        shares = shard_folders(place)
        evaluations = sorted({path.parent for name in EVALUATION for path in undrafted(place.rglob(name), place)})
        recorded = {folder.parent for folder in shares}
        alone = sorted({path.parent for path in undrafted(place.rglob("contract.yaml"), place)} - recorded)
        if not (shares or evaluations or alone):
            raise DataError("holds no run", where=str(place), fix="name runs, evaluations, or folders of them")
        for folder in shares:
            run, names = _run(folder, subject, rules)
            known |= names
            if run.trained or run.watched or run.tested:
                saw.append(run)
            else:
                spared.append(run.folder)
        for folder in evaluations:
            held = _held(folder / "split.json")
            known |= held or set()
            seen = _spellings(subject, held or (), rules, folder)
            (silent if held is None else evaluated if seen else spared).append(folder)
        silent += alone
    return Runs(tuple(saw), tuple(spared), tuple(evaluated), tuple(silent), frozenset(known))


def _run(folder: Path, subject: str, rules: IdentityRules) -> tuple[Run, set[str]]:
    """What a run did with a subject, and all subjects that it knows."""
    trained, watched, tested = {}, {}, 0
    names: set[str] = set()
    for path in undrafted(folder.glob("*.csv")):
        rows = read_rows(path)
        names.update(rows.subjects)
        splits = rows.splits(rows.spellings(subject, rules))
        if path.stem == "test":
            tested = splits.total()
            continue
        peer = int(path.stem.removeprefix("peer-"))
        if splits["validation"]:
            watched[peer] = splits["validation"]
        if rest := splits.total() - splits["validation"]:
            trained[peer] = rest
    return Run(folder.parent if folder.name == "shards" else folder, trained, watched, tested), names


def _held(path: Path) -> set[str] | None:
    """The subjects of an evaluation; None where it is not finished, or by frames and older than their list."""
    if not path.exists():
        return None
    try:
        values = read_json(path)
        if values.get("subjects_leak"):
            return set(values["subjects"]) if "subjects" in values else None
        return {subject for fold in values["folds"] for subject in fold["held_out"]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"is no split: {error}", where=str(path), fix="leave it out") from error


def _meant(subject: str, known: Collection[str]) -> str:
    """What to do about a name that is not known: those of the same ending, whatever their data set, or the nearest."""
    folded = {name.casefold(): name for name in known}
    near = sorted(name for name in folded if name.endswith(subject.casefold()))[:3]
    near = near or get_close_matches(subject.casefold(), folded, n=3, cutoff=0.3)
    spelt = " or ".join(folded[name] for name in near)
    return f"did you mean {spelt}?" if near else "a subject is named DATASET/SUBJECT"


def _spellings(
    subject: str, known: Collection[str], rules: IdentityRules, where: Path, told: Collection[str] = ()
) -> frozenset[str]:
    here = frozenset(name for name in known if _is(subject, name, rules))
    for name in sorted(set(known) - here - set(told)):
        if alike(subject, name) and rules.of(clean(subject), name) is None:
            raise DataError(
                f"{name} could be {clean(subject)}",
                where=str(where),
                fix=f"say --same {clean(subject)}={name} if it is, or --different {clean(subject)}={name}",
            )
    return here


def _is(subject: str, name: str, rules: IdentityRules) -> bool:
    """Whether a name is the subject's, as far as the user said."""
    wanted = clean(subject)
    if name == wanted or rules.joins(wanted, name):
        return True
    return alike(wanted, name) and rules.of(wanted, name) is Said.SAME


def _namespaced(dataset: str, subject: str) -> str:
    dataset, subject = clean(dataset), clean(subject)
    return subject if subject.startswith(f"{dataset}/") else f"{dataset}/{subject}"

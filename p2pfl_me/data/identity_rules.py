"""What the user says of who is who: spellings that are one person, or two, and a table of persons."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from p2pfl_me.data.quoted import WholeRows, why
from p2pfl_me.data.spelling import clean, loose_dataset
from p2pfl_me.errors import DataError
from p2pfl_me.files import open_text


class Said(Enum):
    """What the user says of spellings that could be one person."""

    SAME = "same"
    DIFFERENT = "different"


@dataclass(frozen=True)
class IdentityRules:
    """The user's word on who is who.

    Parameters
    ----------
    same, different:
        Groups of names (`DATASET/SUBJECT`, a subject, or a data set), as they are written but for blanks.
    otherwise:
        What holds of all spellings that no group names; None: they are asked about.
    persons:
        Who is meant by (data set, subject), in every data set where that is empty.
    """

    same: tuple[tuple[str, ...], ...] = ()
    different: tuple[tuple[str, ...], ...] = ()
    otherwise: Said | None = None
    persons: Mapping[tuple[str, str], str] = field(default_factory=dict, hash=False)

    def of(self, one: str, other: str) -> Said | None:
        """What is said of two names, both of data sets or both `DATASET/SUBJECT`."""
        for said, groups in ((Said.SAME, self.same), (Said.DIFFERENT, self.different)):
            if any(names(group, one) and names(group, other) for group in groups):
                return said
        return self.otherwise

    def joins(self, one: str, other: str) -> bool:
        """Whether a group says that two `DATASET/SUBJECT` are one, however little alike."""
        return any(names(group, one) and names(group, other) for group in self.same)

    def person(self, dataset: str, subject: str) -> str | None:
        """Who a table of persons says that it is."""
        return self.persons.get((dataset, subject), self.persons.get(("", subject)))


ASK = IdentityRules()


def rules_of(same: Sequence[str], different: Sequence[str], table: Path | None) -> IdentityRules:
    """The rules of the command line: groups written `A=B=C`, or `*` for all that are asked about.

    Raises
    ------
    DataError
        A group of one name, both `*`, or a table that cannot be read.
    """
    if "*" in same and "*" in different:
        raise DataError("all are the same, and all are different", where="--same", fix="give names to one of the two")
    otherwise = Said.SAME if "*" in same else Said.DIFFERENT if "*" in different else None
    one = tuple(_group(text, "--same") for text in same if text != "*")
    two = tuple(_group(text, "--different") for text in different if text != "*")
    return IdentityRules(one, two, otherwise, read_persons(table) if table else {})


def _group(text: str, way: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(filter(None, map(clean, text.split("=")))))
    if len(names) < 2:
        raise DataError(
            f"`{text}` names fewer than two", where=way, fix=f"write {way} S1=S01, or {way} alone, at the end, for all"
        )
    if len({loose_dataset(name.partition("/")[0]) for name in names if "/" in name}) > 1:
        raise DataError(
            f"`{text}` names people of two data sets",
            where=way,
            fix="name those of one; where two data sets hold one person, give the rows one data set",
        )
    return names


def read_persons(path: Path) -> dict[tuple[str, str], str]:
    """A table of who is meant: columns `subject`, `person`, and `dataset` where names alone do not tell.

    Raises
    ------
    DataError
        It cannot be read, or says two things of one subject.
    """
    try:
        with open_text(path) as file:
            reader = WholeRows(file)
            reader.fieldnames = [clean(name or "").lower() for name in reader.fieldnames or ()]
            rows = [{name: clean(cell or "") for name, cell in row.items() if isinstance(cell, str)} for row in reader]
            columns = set(reader.fieldnames)
    except PermissionError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(path), fix="see who may read it") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot be read: {why(error)}", where=str(path), fix="save it as CSV in UTF-8") from error
    if not {"subject", "person"} <= columns:
        raise DataError("has no columns `subject` and `person`", where=str(path), fix="name its columns so")
    found: dict[tuple[str, str], str] = {}
    for line, row in enumerate(rows, 2):
        key, person = (row.get("dataset", ""), row.get("subject", "")), row.get("person", "")
        if not (key[1] and person):
            raise DataError(f"line {line}: a cell is empty", where=str(path), fix="fill it, or take the row out")
        if found.setdefault(key, person) != person:
            raise DataError(
                f"line {line}: {key[1]} is {found[key]} further up, and {person} here",
                where=str(path),
                fix="keep one of the two rows",
            )
    return found


def names(group: Sequence[str], name: str) -> bool:
    """Whether a group names `name`, with its data set or without."""
    return name in group or name.partition("/")[2] in group

"""Subjects of a published data set: a sheet's spellings that mean one folder are one person, else it asks."""

from __future__ import annotations

import shutil
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import openpyxl
import pytest

from p2pfl_me.data.clip import Clip, Fault, Quirk
from p2pfl_me.data.datasets.layout import spelled_like
from p2pfl_me.data.identity_rules import rules_of
from p2pfl_me.data.labels import Labels
from p2pfl_me.data.reading import read_clips, scan_clips
from p2pfl_me.data.twins.write import Twin
from p2pfl_me.errors import DataError


def respelt(twin: Twin, to: Path, book: str, column: int, spellings: dict[str, str]) -> Path:
    """The twin again, with every second row of a subject under another spelling."""
    shutil.copytree(twin.folder, to, copy_function=lambda source, target: Path(target).symlink_to(source))
    path = next(to.rglob(book))
    loaded = openpyxl.load_workbook(path)
    path.unlink()
    cells = [row[column - 1] for row in loaded.active.iter_rows() if str(row[column - 1].value) in spellings]
    assert len(cells) > 2
    for cell in cells[1::2]:
        cell.value = spellings[str(cell.value)]
    loaded.save(path)
    return to


CASES = [
    ("casme3", "*part_A*.xlsx", 1, {"spNO.1": "spno.1", "spNO.2": "SPNO.02"}),
    ("casme3", "*part_C*.xlsx", 1, {"1": "01"}),
    ("casme2", "*.xlsx", 1, {"1": "sub1", "01": "sub1"}),
    ("4dme", "*.xlsx", 1, {"01": "1", "02": "002"}),
    ("samm", "*.xlsx", 1, {"006": "6", "007": "7"}),
]


@pytest.mark.few(2)
@pytest.mark.parametrize(("name", "book", "column", "spellings"), CASES)
def test_a_sheets_spellings_of_one_folder_are_one_person(
    twins: dict[str, Twin], tmp_path: Path, name: str, book: str, column: int, spellings: dict[str, str]
) -> None:
    before = read_clips(twins[name].folder, Labels()).clips
    found, problems, remarks = scan_clips(respelt(twins[name], tmp_path / name, book, column, spellings), Labels())
    assert problems == ()
    assert _groups(found.clips) == _groups(before)
    said = [remark.text for remark in remarks if remark.kind is Quirk.SPELLING]
    assert name in {"casme2", "samm"} or (all("both mean the folder" in text for text in said) and said)


def _groups(clips: Sequence[Clip]) -> list[tuple[str, int]]:
    """Each clip, and which of the people it is of, whatever they are called."""
    people = list(dict.fromkeys(clip.subject for clip in clips))
    return [(clip.clip, people.index(clip.subject)) for clip in clips]


def test_spellings_with_a_folder_each_are_asked_about(twins: dict[str, Twin], tmp_path: Path) -> None:
    folder = respelt(twins["4dme"], tmp_path / "4dme", "*.xlsx", 1, {"01": "1"})
    frames = folder / "gray_micro"
    shutil.copytree(frames / "01", frames / "1")
    _, (problem,), _ = scan_clips(folder, Labels())
    assert problem.kind is Fault.IDENTITY and problem.row is not None and "4dme/1 here and 4dme/01" in problem.text
    with pytest.raises(DataError, match="--same or --different"):
        read_clips(folder, Labels())
    for way, people in (("same", 1), ("different", 2)):
        rules = rules_of(["1=01"], [], None) if way == "same" else rules_of([], ["1=01"], None)
        clips = read_clips(folder, Labels(), rules).clips
        assert len({clip.subject for clip in clips if clip.subject in {"4dme/1", "4dme/01"}}) == people


def test_a_subject_that_the_sheet_alone_knows_is_asked_about(twins: dict[str, Twin], tmp_path: Path) -> None:
    sheet = next(twins["mmew"].folder.rglob("*.xlsx"))
    header, *rows = openpyxl.load_workbook(sheet).active.iter_rows(values_only=True)
    column = [str(cell).lower() for cell in header].index("subject") + 1
    name = str(rows[0][column - 1])
    folder = respelt(twins["mmew"], tmp_path / "mmew", "*.xlsx", column, {name: f"{name.lower()} " + "x"})
    assert scan_clips(folder, Labels())[1] == (), "another letter, another person"
    folder = respelt(twins["mmew"], tmp_path / "again", "*.xlsx", column, {name: f"sub-{name.lstrip('S0')}"})
    (problem,) = scan_clips(folder, Labels())[1]
    assert problem.kind is Fault.IDENTITY


def test_a_folder_is_found_whether_its_name_is_composed_or_not(tmp_path: Path) -> None:
    name = "Müller 01"
    (tmp_path / unicodedata.normalize("NFD", name)).mkdir()
    assert spelled_like(tmp_path, name).is_dir() and spelled_like(tmp_path, "MÜLLER\u00a01").is_dir()

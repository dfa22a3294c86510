"""What each data set is known for, read from its twin and from variations of it."""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import openpyxl
import pytest

from p2pfl_me.contract import LABEL_MAPS
from p2pfl_me.data.clip import ApexSource, Clip, Manifest, Quirk
from p2pfl_me.data.labels import Labels
from p2pfl_me.data.manifest import write_manifest
from p2pfl_me.data.reading import read_clips, scan_clips
from p2pfl_me.data.twins.old_sheet import old_sheet
from p2pfl_me.data.twins.write import Twin
from p2pfl_me.errors import DataError

MEGC = Labels(LABEL_MAPS["megc3"].classes, LABEL_MAPS["megc3"])


def read(folder: Path, labels: Labels | None = None) -> Manifest:
    manifest, problems, _ = scan_clips(folder, labels or Labels())
    assert problems == ()
    return manifest


def copied(twin: Twin, to: Path) -> Path:
    """The twin again, its pictures as links."""
    shutil.copytree(twin.folder, to, copy_function=lambda source, target: Path(target).symlink_to(source))
    for book in to.rglob("*.xlsx"):
        data = book.read_bytes()
        book.unlink()
        book.write_bytes(data)
    return to


def casme2_without_sheet(twin: Twin, to: Path) -> tuple[Path, list[tuple[object, ...]]]:
    """The twin again without its sheet, and that sheet's rows."""
    folder = copied(twin, to)
    book = folder / "CASME2-coding-20140508.xlsx"
    rows = list(openpyxl.load_workbook(book).active.iter_rows(values_only=True))
    book.unlink()
    return folder, rows


def without_places(folder: Path) -> list[Clip]:
    """The clips of a folder but for where they and their rows are."""
    return [replace(clip, path=Path(), row=None) for clip in read(folder).clips]


def rewritten(
    book: Path, header: dict[str, str] | None = None, cells: dict[tuple[int, int], object] | None = None
) -> None:
    """A sheet with other names of columns, or other cells by (row, column) from 1."""
    loaded = openpyxl.load_workbook(book)
    for row in loaded.active.iter_rows():
        for cell in row:
            cell.value = (header or {}).get(cell.value, cell.value)
    for (number, column), value in (cells or {}).items():
        loaded.active.cell(number, column).value = value
    loaded.save(book)


@pytest.mark.parametrize(
    ("name", "subject", "fps"),
    [
        ("casme2", "casme2/sub01", {200.0}),
        ("samm", "samm/006", {200.0}),
        ("smic", "smic/s01", {100.0}),
        ("mmew", "mmew/S01", {90.0}),
        ("4dme", "4dme/01", {60.0}),
        ("casme", "casme/sub01", {60.0}),
    ],
)
def test_subjects_are_text_and_bear_their_data_set(
    name: str, subject: str, fps: set[float], twins: dict[str, Twin]
) -> None:
    clips = read(twins[name].folder).clips
    assert clips[0].subject == subject and len({clip.subject for clip in clips}) == 4
    assert {clip.fps for clip in clips} == fps
    assert all(clip.row for clip in clips) and all(clip.path.is_dir() for clip in clips)


def test_casme2_in_both_versions_of_its_sheet_and_both_layouts(twins: dict[str, Twin], tmp_path: Path) -> None:
    before = read(twins["casme2"].folder)
    assert {clip.path.parts[-3] for clip in before.clips} == {"Cropped"}
    folder = copied(twins["casme2"], tmp_path / "c")
    shutil.rmtree(folder / "Cropped")
    book = folder / "CASME2-coding-20140508.xlsx"
    rewritten(book, {"OnsetFrame": "Onset Frame", "ApexFrame": "Apex Frame", "OffsetFrame": "Offset Frame"})
    book.rename(folder / "CASME2-coding-20190701.xlsx")
    after = read(folder)
    assert {clip.path.parts[-3] for clip in after.clips} == {"CASME2_RAW_selected"}
    assert {clip.row.sheet for clip in after.clips if clip.row} == {"CASME2-coding-20190701.xlsx"}
    known = [(clip.subject, clip.clip, clip.onset, clip.apex, clip.offset, clip.label) for clip in before.clips]
    assert known == [(clip.subject, clip.clip, clip.onset, clip.apex, clip.offset, clip.label) for clip in after.clips]
    assert {"EP06_02_01", "EP09f", "EP01_2"} <= {clip.clip for clip in after.clips}


def test_a_clip_that_the_sheet_names_twice_is_a_problem_whatever_else_the_rows_say(
    twins: dict[str, Twin], tmp_path: Path
) -> None:
    """A folder of CASME II holds one clip, so the second row, with another onset and emotion, is a slip."""
    folder = copied(twins["casme2"], tmp_path / "c")
    book = folder / "CASME2-coding-20140508.xlsx"
    header, first, second = list(openpyxl.load_workbook(book).active.iter_rows(values_only=True, max_row=3))
    cells: dict[tuple[int, int], object] = {
        (3, column + 1): first[column] for column, name in enumerate(header) if name in {"Subject", "Filename"}
    }
    assert [first[column] == second[column] for column, name in enumerate(header) if name == "OnsetFrame"] == [False]
    rewritten(book, cells=cells)
    manifest, problems, _ = scan_clips(folder, Labels())
    assert [str(problem).split(", with")[0] for problem in problems] == [
        f"{book.name} row 3: the same clip as {book.name} row 2"
    ]
    assert "onset" in problems[0].text and len(manifest.clips) == 19


def test_a_name_beyond_all_length_is_a_problem_of_its_row_alone(twins: dict[str, Twin], tmp_path: Path) -> None:
    folder = copied(twins["casme2"], tmp_path / "c")
    book = folder / "CASME2-coding-20140508.xlsx"
    rewritten(book, cells={(3, 2): "E" * 5000, (4, 1): "²"})
    manifest, problems, _ = scan_clips(folder, Labels())
    assert [problem.row.number for problem in problems if problem.row] == [3, 4] and len(manifest.clips) == 18
    assert all(len(str(problem)) < 400 for problem in problems)


def test_the_frames_folder_itself_may_be_named(twins: dict[str, Twin]) -> None:
    raw = read(twins["casme2"].folder / "CASME2_RAW_selected")
    assert len(raw.clips) == 20 and {clip.path.parts[-3] for clip in raw.clips} == {"CASME2_RAW_selected"}
    for camera in ("HS", "VIS", "NIR"):
        named = read(twins["smic"].folder / "SMIC_all_cropped" / camera)
        assert {clip.clip.split("/")[0] for clip in named.clips} == {camera.lower()}


def test_samm_subjects_survive_a_spreadsheet_that_made_them_numbers(twins: dict[str, Twin], tmp_path: Path) -> None:
    folder = copied(twins["samm"], tmp_path / "s")
    rewritten(folder / "SAMM_Micro_FACS_Codes_v2.xlsx", cells={(row, 1): 6 for row in range(15, 20)})
    assert {clip.subject for clip in read(folder).clips} >= {"samm/006", "samm/007"}
    labels = Counter(clip.label for clip in read(folder).clips)
    assert labels["others"] and not {"Other", "Others", "other"} & set(labels)


def test_of_smics_cameras_hs_is_read_and_the_others_are_named(twins: dict[str, Twin], tmp_path: Path) -> None:
    manifest, _, said = scan_clips(twins["smic"].folder, Labels())
    assert Counter(clip.clip.split("/")[0] for clip in manifest.clips) == {"hs": 20}
    assert all(clip.apex is None and clip.onset is not None and clip.offset is not None for clip in manifest.clips)
    assert all(clip.clip.split("/")[1].startswith("s0") for clip in manifest.clips)
    assert ["HS is read; VIS and NIR show the same people" in str(remark) for remark in said] == [True]
    low = read(twins["smic"].folder / "SMIC_all_cropped" / "VIS").clips
    assert {clip.subject for clip in low} == {"smic/s01", "smic/s02"} and {clip.fps for clip in low} == {25.0}
    (tmp_path / "slow").mkdir()
    for camera in ("VIS", "NIR"):
        (tmp_path / "slow" / camera).symlink_to(twins["smic"].folder / "SMIC_all_cropped" / camera)
    assert {clip.clip.split("/")[0] for clip in read(tmp_path / "slow").clips} == {"vis"}


def test_casme3_clips_of_one_film_are_told_apart_by_their_onset(twins: dict[str, Twin]) -> None:
    clips = read(twins["casme3"].folder).clips
    films = [clip for clip in clips if clip.dataset == "casme3-a"]
    assert len({(clip.subject, clip.clip) for clip in films}) == len(films) > len({clip.path for clip in films})
    assert all(clip.path.name == "color" for clip in clips)
    assert all(clip.apex is None for clip in clips if clip.dataset == "casme3-c")


def test_the_newest_sheet_is_read_and_the_others_are_named(twins: dict[str, Twin], tmp_path: Path) -> None:
    """CAS(ME)^3 A's annotation has an .xls whose labels were corrected since."""
    manifest, _, said = scan_clips(twins["casme3"].folder, Labels())
    newest = "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx"
    films = [clip for clip in manifest.clips if clip.dataset == "casme3-a"]
    assert {clip.row.sheet for clip in films if clip.row} == {newest}
    assert f"the sheet is {newest}; move it away to have {newest[:-6]}1.xls read instead" in map(str, said)
    folder = copied(twins["casme3"], tmp_path / "old")
    (folder / "annotation" / newest).unlink()
    older = [clip for clip in read(folder).clips if clip.dataset == "casme3-a"]
    assert {clip.row.sheet for clip in older if clip.row} == {f"{newest[:-6]}1.xls"}
    assert [(clip.clip, clip.onset) for clip in older] == [(clip.clip, clip.onset) for clip in films]
    assert [clip.label for clip in older] != [clip.label for clip in films]


def test_an_old_xls_is_read_like_the_new_sheet_whatever_its_name(twins: dict[str, Twin], tmp_path: Path) -> None:
    """CASME II goes around with CASME2_label_Ver_2.xls, too."""
    folder, rows = casme2_without_sheet(twins["casme2"], tmp_path / "c")
    for name in ("CASME2_label_Ver_2.xls", "CASME2_label_Ver_2.xlsx"):
        (folder / name).write_bytes(old_sheet(rows))
        assert {clip.row.sheet for clip in read(folder).clips if clip.row} == {name}
        assert without_places(folder) == without_places(twins["casme2"].folder)
        (folder / name).unlink()


def test_a_csv_whose_numbers_became_floats_is_read_like_the_sheet(twins: dict[str, Twin], tmp_path: Path) -> None:
    """pandas writes a column with an empty cell so."""
    folder, rows = casme2_without_sheet(twins["casme2"], tmp_path / "c")
    with (folder / "CASME2-coding-20140508.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([[float(cell) if isinstance(cell, int) else cell for cell in row] for row in rows])
    assert without_places(folder) == without_places(twins["casme2"].folder)


@pytest.mark.parametrize(
    "content", [b"", b"PK", b"PK\3\4" + bytes(90), old_sheet([["a"]])[:1500], b"<html>", bytes(600)], ids=str
)
def test_a_sheet_that_is_none_is_named_with_what_to_do(content: bytes, twins: dict[str, Twin], tmp_path: Path) -> None:
    folder = copied(twins["mmew"], tmp_path / "m")
    (folder / "torn.xls").write_bytes(content)
    _, problems, said = scan_clips(folder, Labels())
    assert not problems and any(str(remark).startswith("torn.xls cannot be read: ") for remark in said)
    (folder / "MMEW_Micro_Exp.xlsx").unlink()
    with pytest.raises(DataError, match=r"torn\.xls cannot be read: .*save the sheet again as \.xlsx"):
        read(folder)


def test_a_data_set_whose_sheet_is_missing_is_not_passed_over_in_silence(
    twins: dict[str, Twin], tmp_path: Path
) -> None:
    for name in ("mmew", "samm"):
        copied(twins[name], tmp_path / name)
    (tmp_path / "samm" / "SAMM_Micro_FACS_Codes_v2.xlsx").unlink()
    manifest, _, said = scan_clips(tmp_path, Labels())
    assert {clip.dataset for clip in manifest.clips} == {"mmew"}
    assert any("looks like SAMM, but no sheet names its clips" in str(remark) for remark in said)


@pytest.mark.parametrize("headless", [False, True])
def test_frames_that_two_data_sets_may_own_are_told_of_once(
    headless: bool, twins: dict[str, Twin], tmp_path: Path
) -> None:
    """CASME II's two copies of the frames lie as CASME's do."""
    folder = copied(twins["casme2"], tmp_path / "casme2")
    book = folder / "CASME2-coding-20140508.xlsx"
    if headless:
        loaded = openpyxl.load_workbook(book)
        loaded.active.delete_rows(1)
        loaded.save(book)
    else:
        book.unlink()
    text = "CASME2_RAW_selected and Cropped look like CASME II or CASME, but no sheet names their clips"
    no_header = [f"{book.name} has no row that names the columns of a data set"] if headless else []
    with pytest.raises(DataError) as caught:
        read(folder)
    assert caught.value.what.endswith("; ".join([text, *no_header])) and caught.value.what.count("CASME II") == 1
    assert caught.value.fix.count("\n") == 2
    copied(twins["mmew"], tmp_path / "mmew")
    _, problems, said = scan_clips(tmp_path, Labels())
    about = [str(remark) for remark in said if "MMEW" not in str(remark)]
    assert problems == () and about == [f"{folder}/{text}: left out", *no_header]


def test_mmew_subjects_come_from_the_sheet(twins: dict[str, Twin]) -> None:
    clips = read(twins["mmew"].folder).clips
    assert Counter(clip.subject for clip in clips) == {f"mmew/S{number:02d}": 5 for number in range(1, 5)}
    assert not any(clip.subject.split("/")[1] in str(clip.path.relative_to(twins["mmew"].folder)) for clip in clips)


def test_mmew_may_have_a_folder_a_subject(twins: dict[str, Twin], tmp_path: Path) -> None:
    before = read(twins["mmew"].folder).clips
    folder = copied(twins["mmew"], tmp_path / "m")
    for clip in before:
        place = folder / "Micro_Expression" / clip.path.parent.name / clip.path.name
        target = folder / "Micro" / clip.subject.removeprefix("mmew/") / place.parent.name / place.name
        target.parent.mkdir(parents=True, exist_ok=True)
        place.rename(target)
    shutil.rmtree(folder / "Micro_Expression")
    after = read(folder).clips
    assert [(clip.subject, clip.clip, clip.label) for clip in after] == [
        (clip.subject, clip.clip, clip.label) for clip in before
    ]


def test_an_apex_says_how_it_is_known(twins: dict[str, Twin]) -> None:
    clips = read(twins["casme2"].folder).clips
    by_row = {clip.row: clip for clip in clips}
    for planted in twins["casme2"].planted:
        if planted.kind is Quirk.APEX:
            assert by_row[planted.row].apex is None and by_row[planted.row].apex_source is None
        if planted.text == "a gap where the apex was":
            assert by_row[planted.row].apex_source is ApexSource.NEAREST
    assert Counter(clip.apex_source for clip in clips)[ApexSource.GIVEN] == 17


def test_data_sets_side_by_side_are_one_composite(twins: dict[str, Twin]) -> None:
    manifest = read(twins["casme2"].folder.parent, MEGC)
    assert {clip.dataset for clip in manifest.clips} == {
        *("casme2", "samm", "smic", "casme3-a", "casme3-c", "mmew", "4dme", "casme")
    }
    assert {clip.label for clip in manifest.clips} == {"negative", "positive", "surprise"}
    assert manifest.dropped == {"others": manifest.dropped["others"], "tense": manifest.dropped["tense"]}
    for name in ("casme", "casme2"):  # whose frames lie alike
        own = [clip.path.is_relative_to(twins[name].folder) for clip in manifest.clips if clip.dataset == name]
        assert own and all(own)
    people = {clip.subject for clip in manifest.clips}
    assert {"casme/sub01", "casme2/sub01", "casme3-a/spNO.1", "casme3-c/1"} <= people


def test_a_manifest_of_a_data_set_points_to_it_and_keeps_what_is_known(twins: dict[str, Twin], tmp_path: Path) -> None:
    found = read(twins["samm"].folder).clips
    write_manifest(tmp_path / "m.csv", found)
    again = read_clips(tmp_path / "m.csv", None).clips

    def known(clip: Clip) -> tuple[object, ...]:
        return (clip.path, clip.subject, clip.clip, clip.onset, clip.apex, clip.fps, clip.apex_source, clip.row)

    assert [known(clip) for clip in again] == [known(clip) for clip in found]
    assert [path.name for path in tmp_path.iterdir()] == ["m.csv"]


def test_what_is_no_known_layout_is_refused_with_what_was_looked_for(twins: dict[str, Twin], tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    with pytest.raises(DataError) as caught:
        read(tmp_path)
    for title in ("CASME II", "SAMM", "SMIC", "CAS(ME)^3 A", "MMEW", "4DME"):
        assert title in str(caught.value)
    folder = copied(twins["mmew"], tmp_path / "m")
    (folder / "MMEW_Micro_Exp.xlsx").unlink()
    with pytest.raises(DataError, match="looks like MMEW, but no sheet names its clips"):
        read(folder)
    with pytest.raises(DataError, match="a data set's folder"):
        read(tmp_path / "nowhere")

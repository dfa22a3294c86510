"""What names nobody is no name, what is one class is no two, and what cannot be trained on is told at the door."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import openpyxl
import pytest
from click.testing import CliRunner, Result

from p2pfl_me.cli.data import data
from p2pfl_me.data.check import check_manifest
from p2pfl_me.data.classes import read_with_classes
from p2pfl_me.data.clip import Clip, Manifest
from p2pfl_me.data.datasets.workbook import tables_of
from p2pfl_me.data.look import Images
from p2pfl_me.data.manifest import write_manifest
from p2pfl_me.data.partition import partition
from p2pfl_me.data.reading import scan_clips
from p2pfl_me.data.split import split_subjects
from p2pfl_me.data.twins.write import Twin
from p2pfl_me.data.vectors import vectors_manifest
from p2pfl_me.errors import DataError
from p2pfl_me.learning.samples import samples_of
from tests.data.datasets.test_datasets import copied
from tests.data.make import CLASSES, clips, contract, good, row, rows
from tests.data.test_vectors import save


def said(folder: Path, **changes: object) -> list[str]:
    """What is wrong with the second of three rows, which says `changes`."""
    table = [{**each, **dict.fromkeys(changes, "") | each} for each in good(folder, 1)]
    table[1] |= changes
    _, problems, _ = scan_clips(rows(folder / "manifest.csv", table), None)
    return [str(each) for each in problems]


@pytest.mark.parametrize("column", ["dataset", "subject", "clip", "label"])
@pytest.mark.parametrize("cell", ["nan", "NaN", "?", "-", "/", "n/a", "#N/A", "null"])
def test_a_cell_that_says_that_nothing_is_known_is_no_name(tmp_path: Path, column: str, cell: str) -> None:
    assert f"line 3: `{column}` is {cell!r}, which names nobody and nothing" in said(tmp_path, **{column: cell})


def test_a_class_may_be_called_so_where_the_user_names_it(tmp_path: Path) -> None:
    table = good(tmp_path, 1)
    table[1]["label"] = "-"
    path = rows(tmp_path / "manifest.csv", table)
    assert not scan_clips(path, ("negative", "-", "surprise"))[1]


@pytest.mark.parametrize(("column", "name"), [("A", "subject"), ("I", "emotion")])
def test_the_same_of_a_sheet(twins: dict[str, Twin], tmp_path: Path, column: str, name: str) -> None:
    folder = copied(twins["casme2"], tmp_path / "c")
    path = next(folder.glob("*.xlsx"))
    book = openpyxl.load_workbook(path)
    book.worksheets[0][f"{column}3"] = "NaN"
    book.save(path)
    _, problems, _ = scan_clips(folder, None)
    (text,) = (str(each) for each in problems if "row 3" in str(each))
    assert text.lower().endswith(f"the {name} is 'nan', which names nobody and nothing")


def test_a_data_set_holds_no_slash_that_parts_it_from_a_subject(tmp_path: Path) -> None:
    assert "line 3: `dataset` is 'a/b': a `/` parts it from the subject, so it may hold none" in said(
        tmp_path, dataset="a/b"
    )


@pytest.mark.parametrize("other", ["Negative", "negative ", "NEGATIVE!", "négative", "  negative"])
def test_one_class_in_two_spellings_is_no_two_classes(tmp_path: Path, other: str) -> None:
    table = good(tmp_path)
    table[0]["label"], table[1]["label"] = other, "fine"
    path = rows(tmp_path / "manifest.csv", table)
    words = [str(each) for each in check_manifest(path, None, Images.NONE).problems]
    if other.strip() == "negative":
        assert not words, "blanks at the ends are no letters"
        return
    assert [each for each in words if "may be one class: spell it in one way" in each and other in each]
    with pytest.raises(DataError, match="may be one class"):
        read_with_classes(contract(), path, lambda _: None)


@pytest.mark.parametrize(("one", "other"), [("+1", "-1"), ("low", "lower"), ("1", "10"), ("+", "-x")])
def test_other_classes_are_two(tmp_path: Path, one: str, other: str) -> None:
    table = [{**each, "label": (one, other)[place % 2]} for place, each in enumerate(good(tmp_path))]
    assert not check_manifest(rows(tmp_path / "manifest.csv", table), None, Images.NONE).problems


def test_where_every_row_is_for_testing_that_is_said_and_not_the_number_of_peers(tmp_path: Path) -> None:
    table = [{**each, "split": "test"} for each in good(tmp_path)]
    notes = check_manifest(rows(tmp_path / "manifest.csv", table), CLASSES, Images.NONE).notes
    assert "no row is for training: a run refuses them, and an evaluation deals them anew" in notes
    with pytest.raises(DataError, match="no clip is left to train on: every row is for testing or validation"):
        partition((), 3, contract().data.partition, 1)


def test_one_class_alone_is_split(tmp_path: Path) -> None:
    only = clips({f"lab/{number}": 2 for number in range(6)}, ("negative",))
    found = split_subjects(Manifest(tmp_path, only), test_fraction=0, validation_fraction=0, seed=1)
    assert {clip.split for clip in found.clips} == {"train"}


@pytest.mark.parametrize("fps", ["29.97002997002997", "200", "0.5"])
def test_a_rate_is_written_as_it_was_read(tmp_path: Path, fps: str) -> None:
    write_manifest(tmp_path / "m.csv", [Clip(tmp_path / "a.png", "lab", "lab/1", "a", "x", fps=float(fps))])
    (cells,) = csv.DictReader((tmp_path / "m.csv").open(encoding="utf-8"))
    assert float(cells["fps"]) == pytest.approx(float(fps), rel=1e-14)


@pytest.mark.parametrize("fps", ["\u0661", "1_000", "25,0", "30000/1001"])
def test_a_rate_in_other_figures_or_signs_is_no_rate(tmp_path: Path, fps: str) -> None:
    assert any("`fps` is" in each for each in said(tmp_path, fps=fps)), "each row has the column"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"features": np.zeros((24, 16))}, "must be float32 .* and are F64"),
        ({"features": np.zeros((24, 16), np.float16)}, "must be float32 .* and are F16"),
        ({"dataset": "a/b"}, "`dataset` is 'a/b', which names none"),
        ({"dataset": "nan"}, "`dataset` is 'nan', which names none"),
        ({"subjects": np.arange(24) // 3 - 1}, "row 0 has the subject -1: a number below zero is nobody's"),
    ],
)
def test_vectors_that_no_run_could_take_are_refused_by_every_door(
    tmp_path: Path, change: dict[str, object], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        vectors_manifest(save(tmp_path / "V.SAFETENSORS", **change), CLASSES)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_vector_of_no_numbers_is_named_before_it_is_trained_on(tmp_path: Path, value: float) -> None:
    features = np.ones((24, 2048), np.float32)
    features[7, 3] = value
    path = save(tmp_path / "v.safetensors", features=features, split=np.zeros(24, np.int64))
    with pytest.raises(DataError, match="row 7 holds NaN or infinite values"):
        samples_of(
            contract("model: {classes: [negative, positive, surprise]}\n"),
            vectors_manifest(path, CLASSES).clips,
            cache=tmp_path,
        )


def test_a_book_that_its_reader_cannot_take_is_refused_and_is_no_bug_of_ours(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.create_chartsheet("Chart", 0)
    book.save(tmp_path / "a.xlsx")
    with pytest.raises(DataError, match="cannot be read: AttributeError"):
        tables_of(tmp_path / "a.xlsx", 0)


def forgotten(*words: object) -> Result:
    return CliRunner().invoke(data, ["forget", *map(str, words)], standalone_mode=False)


def test_what_is_written_elsewhere_leads_to_the_same_files(tmp_path: Path) -> None:
    path = rows(tmp_path / "manifest.csv", [*good(tmp_path), row(str(tmp_path / "3-0.png"), "09") | {"clip": "other"}])
    (tmp_path / "deep").mkdir()
    for out in (tmp_path / "rest.csv", tmp_path / "deep" / "rest.csv"):
        assert forgotten("lab/00", "--data", path, "-o", out).exit_code == 0
        manifest, problems, _ = scan_clips(out, CLASSES)
        assert not problems and len(manifest.clips) == 10
        assert {clip.path.resolve().parent for clip in manifest.clips} == {tmp_path.resolve()}
    assert "1-0.png" in (tmp_path / "rest.csv").read_text().splitlines()[1].split(",")


@pytest.mark.parametrize("line", ["x.png,lab", "x.png,lab,00,x.png,negative,7", "lab"])
def test_a_row_whose_subject_nobody_can_tell_is_not_lost(tmp_path: Path, line: str) -> None:
    path = rows(tmp_path / "manifest.csv", good(tmp_path))
    path.write_text(f"{path.read_text()}\n{line}\n")
    result = forgotten("lab/00", "--data", path, "--in-place")
    assert isinstance(result.exception, DataError) and "line 15" in str(result.exception)
    assert path.read_text().endswith(f"\n{line}\n")

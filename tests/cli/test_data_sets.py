"""`p2pme data twin`, `manifest` and `check` on a data set: what a user sees and what lies on the disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from p2pfl_me.cli.data import data
from p2pfl_me.data.reading import read_clips
from p2pfl_me.errors import ContractError, DataError


def run(*words: object) -> Result:
    result = CliRunner().invoke(data, [str(word) for word in words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("twin") / "mmew"
    drawn = run("twin", "mmew", "-o", folder, "--height", 64, "--subjects", 3, "--faults")
    assert drawn.exit_code == 0 and "planted: MMEW_Micro_Exp.xlsx row" in drawn.output
    return folder


def test_check_groups_what_it_notes_by_rows_and_lists_problems_first(faulty: Path) -> None:
    checked = run("check", faulty, "--label-map", "megc3", "--images", "key")
    assert checked.exit_code == 1
    lines = checked.output.splitlines()
    first_note = next(index for index, line in enumerate(lines) if line.startswith("note:"))
    assert first_note == 9 and all(line.startswith("MMEW_Micro_Exp.xlsx row ") for line in lines[:first_note])
    assert any("no apex is given" in line and " row " in line for line in lines)
    assert lines[-1] == "9 problems"


def test_check_counts_what_the_label_map_leaves_out(faulty: Path) -> None:
    checked = run("check", faulty, "--label-map", "casme2_5", "--images", "none")
    assert any(line.startswith("left out by the label map: anger ") for line in checked.output.splitlines())


def test_a_manifest_needs_sound_rows_or_leave_out(faulty: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--leave-out"):
        run("manifest", faulty, "-o", tmp_path / "m.csv")
    written = run("manifest", faulty, "-o", tmp_path / "m.csv", "--leave-out", "--label-map", "megc3")
    assert written.exit_code == 0 and written.output.count("left out: MMEW_Micro_Exp.xlsx row") == 9
    assert "is not an image" in written.output and "the same pixels as" in written.output
    clips = read_clips(tmp_path / "m.csv", ("negative", "positive", "surprise")).clips
    assert clips and all(clip.path.is_relative_to(faulty) for clip in clips)
    checked = run("check", tmp_path / "m.csv", "--classes", "negative,positive,surprise")
    assert checked.output.splitlines()[-1] == "no problems"


def test_a_manifest_of_the_clips_that_a_list_names(faulty: Path, tmp_path: Path) -> None:
    wanted = tmp_path / "list.csv"
    wanted.write_text("Dataset,Subject,Filename,Emotion\nMMEW,S1, m001,1\nmmew,s03,M015,2\n")
    written = run("manifest", faulty, "-o", tmp_path / "m.csv", "--leave-out", "--only", wanted)
    assert "2 clips of 2 subjects" in written.output
    assert [clip.clip for clip in read_clips(tmp_path / "m.csv", None).clips] == ["M001", "M015"]
    wanted.write_text("subject,clip\nS01,M001\nS02,M001\nS01,EP02_01f\n")
    with pytest.raises(DataError, match=r"2 of 3 lines:\n  line 3: S02 M001: no such clip\n  line 4: S01 EP02_01f"):
        run("manifest", faulty, "-o", tmp_path / "n.csv", "--leave-out", "--only", wanted)
    wanted.write_text("person;film\n1;2\n")
    with pytest.raises(DataError, match="has no columns `subject` and `clip`: it has personfilm"):
        run("manifest", faulty, "-o", tmp_path / "n.csv", "--leave-out", "--only", wanted)
    assert not (tmp_path / "n.csv").exists()


def test_wrong_names_are_answered_with_the_right_ones(faulty: Path, tmp_path: Path) -> None:
    assert "casme2, samm, smic" in run("twin", "casme9", "-o", tmp_path / "t").output
    with pytest.raises(ContractError, match="known: megc3"):
        run("check", faulty, "--label-map", "megc9")
    assert run("check", faulty, "--label-map", "megc3", "--classes", "a,b").exit_code == 2

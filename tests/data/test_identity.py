"""One identity a person: what looks the same is one, what could be one is asked about, and nobody is on two sides."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from p2pfl_me.cli.data import data
from p2pfl_me.data.audit.leaks import Kind, audit
from p2pfl_me.data.audit.parts import read_audited
from p2pfl_me.data.check import check_manifest
from p2pfl_me.data.clip import Fault
from p2pfl_me.data.identity_rules import IdentityRules, Said, rules_of
from p2pfl_me.data.look import Images
from p2pfl_me.data.reading import read_clips
from p2pfl_me.data.source import peer_clips, prepare
from p2pfl_me.errors import DataError
from tests.data.make import CLASSES, contract, picture, row, rows, save

RULE = contract(
    "model: {classes: [negative, positive, surprise]}\ndata: {test_fraction: 0.3, validation_fraction: 0}\n"
)
ALIKE = (
    ("S01", "s01"),
    ("S01", "S1"),
    ("S01", "S001"),
    ("1", "01"),
    ("1", "1.0"),
    ("S1", "S1.0"),  # a sheet's number behind a word
    ("1", "1e0"),  # what a program took for a power of ten
    ("1200", "12e2"),
    ("S01", "SO1"),  # letters that a hand takes for figures
    ("S01", "S0l"),
    ("P10", "p1o"),
    ("01", "O1"),
    ("sub11", "sub1I"),
    ("stra\u00dfe", "STRASSE"),
    ("sib1", "s\u0131b1"),  # the i without a dot
    ("S01", "'S01"),  # a sheet's mark of text
    ("\u65e5\u672c1", "\u65e5\u672c\uff11"),
    ("sub1", "sub01"),
    ("sub_1", "Sub-01"),
    ("subject 3", "3"),
    ("s3", "Participant 3"),
    ("spNO.1", "spno.1"),
    ("S01", "\uff33\uff10\uff11"),  # full width
    ("S01", "S\u0660\u0661"),  # digits of another script
    ("S01", "\u042501".replace("\u0425", "\u0405")),  # a Cyrillic letter that prints like S
    ("a\u20131", "a-1"),  # a dash
    ("a\u00b91", "a11"),  # a raised digit
    ("Jos\u00e9", "Jose"),
    ("lab_07", "7"),  # the data set's own name before it
    ("Proband 01", "S1"),  # what other languages count people by
    ("sujet_1", "01"),
    ("\u88ab\u8bd51", "1"),
    ("\u0111an1", "Dan01"),  # a d with a stroke
    ("M\u00fcller", "MU\u0308LLER"),
    ("M\u00fcller", "Mueller"),
    ("J\u00f8rg", "Joerg"),
    ("S4", "S\u2163"),  # a Roman figure of one character
    ("LAB/S01", "S01"),  # the data set's name in another spelling
    ("Lab_S01", "S1"),
)
UNSEEN = (
    ("Jos\u00e9", "Jose\u0301"),
    ("\ud55c", unicodedata.normalize("NFD", "\ud55c")),
    ("S01", "S01\u00a0"),
    ("S01", "\u2007S01\t"),
    ("S01", "S\u200b01"),
    ("S01", "\ufeffS01"),
    ("S01", "S\u00ad01"),
    ("S 01", "S\u202f01"),
    ("lab/S01", "S01"),
)
APART = (
    ("S1", "S11"),
    ("1_2", "12"),
    ("A1", "B1"),
    ("Anna", "Anne"),
    ("P1", "S1"),
    ("10", "1"),
    ("S1a", "S1b"),
    ("Paul1", "Pau1"),
    ("S1", "SI"),
    ("1e1", "1e2"),
    ("S1e1", "S10"),
)


def manifest(folder: Path, subjects: Sequence[str], datasets: Sequence[str] = (), **more: object) -> Path:
    """A picture of each class for each subject, on three lines each, from 2."""
    table = []
    for number, subject in enumerate(subjects):
        for index, label in enumerate(CLASSES):
            name = f"{number}-{index}.png"
            save(folder / name, picture(10 * number + index))
            table.append({**row(name, subject, label), "dataset": datasets[number] if datasets else "lab", **more})
    return rows(folder / "manifest.csv", table)


def people(path: Path, rules: IdentityRules | None = None) -> list[str]:
    return [clip.subject for clip in read_clips(path, CLASSES, rules or IdentityRules()).clips[::3]]


def run(*words: object) -> Result:
    result = CliRunner().invoke(data, [str(word) for word in words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.mark.few(10)
@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_spellings_that_could_be_one_person_are_named_with_both_rows_and_no_run_begins(
    tmp_path: Path, one: str, other: str
) -> None:
    path = manifest(tmp_path, (one, other, "X"))
    (problem,) = check_manifest(path, CLASSES, Images.NONE).problems
    assert problem.kind is Fault.IDENTITY and problem.line == 5 and "line 2" in problem.text
    with pytest.raises(DataError, match="--same"):
        prepare(RULE, path, tmp_path)
    assert len(set(people(path, IdentityRules(otherwise=Said.SAME)))) == 2
    assert len(set(people(path, IdentityRules(otherwise=Said.DIFFERENT)))) == 3


@pytest.mark.parametrize(("one", "other"), UNSEEN)
def test_spellings_that_no_eye_tells_apart_are_one_person(tmp_path: Path, one: str, other: str) -> None:
    path = manifest(tmp_path, (one, other, "X"))
    report = check_manifest(path, CLASSES, Images.NONE)
    assert report.problems == () and len(report.subjects) == 2
    assert len(set(people(path))) == 2
    if one != "lab/S01" and other.strip() != one:
        assert any("line 5" in remark.text and "line 2" in remark.text for remark in report.remarks)


@pytest.mark.parametrize(("one", "other"), APART)
def test_other_names_are_other_people_and_nobody_is_asked(tmp_path: Path, one: str, other: str) -> None:
    path = manifest(tmp_path, (one, other))
    assert check_manifest(path, CLASSES, Images.NONE).problems == () and len(set(people(path))) == 2


def test_four_spellings_of_one_person_stand_on_one_side_in_whatever_order(tmp_path: Path) -> None:
    for number, order in enumerate(permutations(("S01", "s01", "S1", "S001"))):
        path = manifest(tmp_path / str(number), (*order, "A", "B", "C"))
        report = check_manifest(path, CLASSES, Images.NONE)
        assert len(report.problems) == 3
        split = prepare(RULE, path, tmp_path, rules_of(["*"], [], None))
        assert {clip.subject for clip in split.clips} == {f"lab/{name}" for name in (order[0], "A", "B", "C")}
        assert len({clip.split for clip in split.clips if clip.subject == f"lab/{order[0]}"}) == 1


def test_names_in_several_data_sets_are_nobody_in_common_and_data_sets_of_one_name_are_asked_about(
    tmp_path: Path,
) -> None:
    assert check_manifest(manifest(tmp_path / "a", ("1", "01"), ("x", "y")), CLASSES, Images.NONE).problems == ()
    for one, other in (("CASME2", "casme2"), ("CASME II", "CASME2"), ("a lab", "a_lab"), ("x", "X")):
        path = manifest(tmp_path / one / other, ("1", "1"), (one, other))
        (problem,) = check_manifest(path, CLASSES, Images.NONE).problems
        assert problem.kind is Fault.IDENTITY and problem.line == 5 and "data set" in problem.text
        assert people(path, rules_of([f"{one}={other}"], [], None)) == [f"{one}/1"] * 2
        assert people(path, rules_of([], [f"{one}={other}"], None)) == [f"{one}/1", f"{other}/1"]
    path = manifest(tmp_path / "b", ("1", "1"), ("lab\u00a0", "lab"))
    assert set(people(path)) == {"lab/1"}


def test_groups_say_of_some_and_the_rest_is_still_asked_about(tmp_path: Path) -> None:
    path = manifest(tmp_path, ("S1", "s1", "T2", "t2"))
    (problem,) = check_manifest(path, CLASSES, Images.NONE, rules=rules_of(["S1=s1"], [], None)).problems
    assert "t2" in problem.text
    rules = rules_of(["S1=s1"], ["lab/T2=lab/t2"], None)
    assert people(path, rules) == ["lab/S1", "lab/S1", "lab/T2", "lab/t2"]
    (slip,) = check_manifest(path, CLASSES, Images.NONE, rules=rules_of(["S1=s1", "T2=t2", "T2=T3"], [], None)).problems
    assert "T3, and nobody here is called so" in slip.text
    assert people(path, rules_of(["S1=T2"], ["*"], None))[2] == "lab/S1", "names may be joined that are not alike"
    for same, different in ((["S1"], []), ([], ["S1="]), (["*"], ["*"]), (["a/1=b/1"], [])):
        with pytest.raises(DataError):
            rules_of(same, different, None)


def test_a_table_of_persons_and_a_column_say_who_is_meant(tmp_path: Path) -> None:
    path = manifest(tmp_path, ("S1", "s1", "S01"))
    table = rows(tmp_path / "who.csv", [{"subject": "s1", "person": "Q"}, {"subject": "S01", "person": "S1"}])
    assert people(path, rules_of([], [], table)) == ["lab/S1", "lab/Q", "lab/S1"]
    assert "no problems" in run("check", path, "--classes", ",".join(CLASSES), "--subjects", table).output
    for broken in ([{"subject": "1", "who": "2"}], [{"subject": "1", "person": ""}]):
        with pytest.raises(DataError):
            rules_of([], [], rows(tmp_path / "broken.csv", broken))
    with pytest.raises(DataError, match="line 3"):
        twice = [{"subject": "1", "person": "2"}, {"subject": "1", "person": "3"}]
        rules_of([], [], rows(tmp_path / "broken.csv", twice))
    told = manifest(tmp_path / "told", ("S1", "s1"), person="")
    told.write_text(told.read_text().replace("s1,1-0.png,negative,", "s1,1-0.png,negative,B"))
    assert {clip.subject for clip in prepare(RULE, told, tmp_path, rules_of([], ["*"], None)).clips} == {
        *("lab/S1", "lab/s1", "lab/B")
    }


def test_what_the_user_said_travels_with_the_shares_and_is_not_asked_again(tmp_path: Path) -> None:
    path = manifest(tmp_path, ("S1", "s1", "A", "B", "C", "D"))
    agreed = tmp_path / "t.yaml"
    agreed.write_text(
        "version: 1\nname: t\ntopology: {kind: ring}\npeers: {loopback: {count: 2}}\n"
        "model: {classes: [negative, positive, surprise]}\n"
    )
    with pytest.raises(DataError, match="may be one person"):
        run("split", path, "--topology", agreed, "-o", tmp_path / "asked")
    assert run("split", path, "--topology", agreed, "-o", tmp_path / "two", "--different").exit_code == 0
    shares = sorted((tmp_path / "two").glob("*.csv"))
    found = {clip.subject for share in shares for clip in read_clips(share, CLASSES).clips}
    assert {"lab/S1", "lab/s1"} <= found
    assert run("audit", tmp_path / "two").exit_code == 0
    assert run("split", path, "--topology", agreed, "-o", tmp_path / "one", "--same", "S1=s1").exit_code == 0
    found = {clip.subject for share in (tmp_path / "one").glob("*.csv") for clip in read_clips(share, CLASSES).clips}
    assert "lab/s1" not in found
    assert run("manifest", path, "-o", tmp_path / "again.csv", "--different").exit_code == 0
    assert check_manifest(tmp_path / "again.csv", CLASSES, Images.NONE).problems == ()


def test_an_audit_finds_a_person_under_another_spelling_on_the_other_side(tmp_path: Path) -> None:
    table = [row(f"{name}x.png", name, "positive", split=split) for name, split in (("S01", "train"), ("s1", "test"))]
    for number, line in enumerate(table):
        save(tmp_path / str(line["path"]), picture(number, side=64))
    one, other = (rows(tmp_path / f"{index}.csv", [line]) for index, line in enumerate(table))
    for paths in ([rows(tmp_path / "m.csv", table)], [one, other]):
        (found,) = read_audited(paths, None)
        (leak,) = audit(found, images=False).leaks
        assert leak.kind is Kind.SPELLING and "lab/S01 and lab/s1" in leak.example
        (found,) = read_audited(paths, None, IdentityRules(otherwise=Said.SAME))
        assert [leak.kind for leak in audit(found, images=False).leaks] == [Kind.SUBJECT]
        (found,) = read_audited(paths, None, IdentityRules(otherwise=Said.DIFFERENT))
        assert audit(found, images=False).leaks == ()


def test_a_peer_refuses_a_common_test_manifest_that_spells_one_of_its_own_otherwise(tmp_path: Path) -> None:
    own, common = manifest(tmp_path / "own", ("S1", "S2")), manifest(tmp_path / "common", ("s01", "T"))
    with pytest.raises(DataError, match="lab/s01 here and lab/S1 at line 2"):
        peer_clips(RULE, 0, own, common, tmp_path)
    with pytest.raises(DataError, match="lab/S1 is in the test manifest"):
        peer_clips(RULE, 0, own, common, tmp_path, IdentityRules(otherwise=Said.SAME))
    assert len(peer_clips(RULE, 0, own, common, tmp_path, IdentityRules(otherwise=Said.DIFFERENT))) == 12


def test_forget_leaves_no_other_spelling_behind(tmp_path: Path) -> None:
    path = manifest(tmp_path, ("S1", "s01", "B"))
    for way in ("--data", "--same"):
        words = ["--data", path] if way == "--data" else ["--data", path, "--same", "lab/S1=lab/s01"]
        if way == "--data":
            with pytest.raises(DataError, match="lab/s01 could be lab/S1"):
                run("forget", "lab/S1", *words)
        else:
            assert "6 clips of lab/S1" in run("forget", "lab/S1", *words).output
    assert "3 clips of lab/S1" in run("forget", "lab/S1", "--data", path, "--different").output
    assert "3 clips of lab/B" in run("forget", "lab/B", "--data", path, "--same").output
    with pytest.raises(DataError, match="could be"):
        run("forget", "LAB/b", "--data", path)

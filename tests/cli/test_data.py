"""`p2pme data`: what a user sees, the exit code, and what lies on the disk afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from p2pfl_me.cli.data import data
from p2pfl_me.contract.ready import read_contract
from p2pfl_me.data.clip import Clip
from p2pfl_me.data.manifest import write_manifest
from p2pfl_me.data.reading import read_clips
from p2pfl_me.data.shards import write_shards
from p2pfl_me.errors import DataError
from p2pfl_me.evaluate.folds import make_split
from p2pfl_me.evaluate.holdout import HoldOut
from tests.data.make import BASE, CLASSES, good, row, rows
from tests.small import p2pme


def run(*words: object) -> Result:
    result = CliRunner().invoke(data, [str(word) for word in words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def rule(tmp_path: Path) -> Path:
    path = tmp_path / "ring.yaml"
    path.write_text(BASE + "model: {classes: [negative, positive, surprise]}\n")
    return path


def test_drawn_clips_pass_their_own_check(tmp_path: Path) -> None:
    result = run("synth", "-o", tmp_path / "set", "--subjects", 2, "--clips", 7, "--neutral", 1)
    assert result.exit_code == 0 and "16 clips of 2 subjects" in result.output
    classes = "disgust,fear,happiness,others,repression,sadness,surprise,neutral"
    checked = run("check", tmp_path / "set", "--classes", classes, "--json")
    assert json.loads(checked.output)["clips"] == 16
    with pytest.raises(DataError, match="no empty folder"):
        run("synth", "-o", tmp_path / "set")


def test_check_lists_all_problems_and_exits_with_one(tmp_path: Path, rule: Path) -> None:
    table = good(tmp_path)
    rows(tmp_path / "manifest.csv", table)
    sound = run("check", tmp_path, "--topology", rule)
    assert sound.exit_code == 0 and sound.output.endswith("no problems\n")
    assert "classes: negative 4, positive 4, surprise 4" in sound.output
    (tmp_path / "0-0.png").write_text("")
    table[4]["label"] = "joy"
    rows(tmp_path / "manifest.csv", table)
    bad = run("check", tmp_path, "--classes", "negative, positive, surprise")
    assert bad.exit_code == 1 and "2 problems" in bad.output
    assert bad.output.index("line 2: ") < bad.output.index("line 6: unknown label 'joy'")
    found = json.loads(run("check", tmp_path, "--topology", rule, "--json").output)
    assert [problem["kind"] for problem in found["problems"]] == ["unreadable", "label"]


def test_a_pipe_in_the_place_of_a_picture_is_a_problem_and_no_wait(tmp_path: Path) -> None:
    table = good(tmp_path)
    rows(tmp_path / "manifest.csv", table)
    (tmp_path / "0-0.png").unlink()
    os.mkfifo(tmp_path / "0-0.png")
    (tmp_path / "film").mkdir()
    os.mkfifo(tmp_path / "film" / "1.png")
    rows(tmp_path / "manifest.csv", [*table, row("film")])
    code, output = p2pme(tmp_path / "home", "data", "check", tmp_path, timeout_s=30)
    assert code == 1 and "2 problems" in output, output
    assert "line 2: neither a file nor a folder" in output and "1.png is not a file" in output


def test_check_judges_labels_by_no_classes_but_those_that_are_named(tmp_path: Path, rule: Path) -> None:
    """`swarm` takes the classes of such clips, so that a ready contract's seven must not be held against them."""
    rows(tmp_path / "manifest.csv", good(tmp_path))
    free = run("check", tmp_path)
    assert free.exit_code == 0, free.output
    assert "classes: negative 4, positive 4, surprise 4" in free.output
    assert "note: no classes were named" in free.output and "--topology" in free.output
    assert "no classes were named" not in run("check", tmp_path, "--topology", rule).output


def test_check_takes_classes_from_one_place(tmp_path: Path, rule: Path) -> None:
    assert run("check", tmp_path, "--topology", rule, "--classes", "a,b").exit_code == 2


def test_split_writes_shares_that_can_be_read_and_leak_nothing(tmp_path: Path, rule: Path) -> None:
    rows(tmp_path / "manifest.csv", good(tmp_path, subjects=8))
    result = run("split", tmp_path, "--topology", rule, "-o", tmp_path / "out", "--peers", 4)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "peer-0.csv",
        "peer-1.csv",
        "peer-2.csv",
        "peer-3.csv",
        "test.csv",
    ]
    seen: set[str] = set()
    for name in ("peer-0", "peer-1", "peer-2", "peer-3", "test"):
        here = {clip.subject for clip in read_clips(tmp_path / "out" / f"{name}.csv", CLASSES).clips}
        assert here and not here & seen
        seen |= here
        assert any(line.split()[:1] == [name] for line in result.output.splitlines())
    assert len(seen) == 8


def test_a_split_is_whole_or_not_there(tmp_path: Path, rule: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Peers without their test part, or some of them, would pass for a split of fewer people."""
    rows(tmp_path / "manifest.csv", good(tmp_path, subjects=8))
    (tmp_path / "empty").mkdir()

    def stops(path: Path, clips: Iterable[Clip]) -> None:
        if path.name == "test.csv":
            raise KeyboardInterrupt
        write_manifest(path, clips)

    before = {path.name for path in tmp_path.iterdir()}
    with monkeypatch.context() as patched:
        patched.setattr("p2pfl_me.data.manifest.write_manifest", stops)
        for out in ("new", "empty"):
            assert run("split", tmp_path, "--topology", rule, "-o", tmp_path / out, "--peers", 2).exit_code == 1
            assert not (tmp_path / out).exists()
    assert {path.name for path in tmp_path.iterdir()} == before - {"empty"}
    assert run("split", tmp_path, "--topology", rule, "-o", tmp_path / "new", "--peers", 2).exit_code == 0


def test_a_data_set_of_which_nobody_is_tested_is_named_by_every_door(tmp_path: Path, rule: Path) -> None:
    """One subject is all of `solo`: it trains, and no score says anything of its data set."""
    table = good(tmp_path, subjects=8)
    table = [each | {"dataset": "solo"} if each["subject"] == "07" else each for each in table]
    assert 0 < sum(each["dataset"] == "solo" for each in table) < len(table) / 4
    manifest = rows(tmp_path / "manifest.csv", table)
    said = "nobody of solo is held out: no score says anything of solo"
    split = run("split", tmp_path, "--topology", rule, "-o", tmp_path / "out", "--peers", 4)
    assert f"note: {said}" in split.output.splitlines()
    told = run("split", tmp_path, "--topology", rule, "-o", tmp_path / "two", "--peers", 2, "--json")
    assert json.loads(told.stdout)["untested"] == ["solo"]
    checked = run("check", tmp_path, "--topology", rule)
    assert "note: one subject is all of solo: held out, it leaves nobody of its data set to train on" in checked.output
    contract = read_contract(rule)
    shards, digest = write_shards(contract, manifest, tmp_path, tmp_path / "run")
    assert shards.counts(contract, manifest, digest).untested_words == said
    with pytest.raises(DataError, match="1 subject in solo, and single needs 2 at least") as caught:
        make_split(read_clips(manifest, None).clips, HoldOut.SINGLE, folds=2, seed=1)
    assert "leave those in solo out" in caught.value.fix


def test_its_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, p2pfl_me.cli.data; "
        "sys.exit(any(name in sys.modules for name in ('cv2', 'numpy', 'pydantic', 'torch')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_folder_that_holds_a_split_is_refused(tmp_path: Path, rule: Path) -> None:
    """Shards of more peers would stay beside the new ones, and leak into them."""
    rows(tmp_path / "manifest.csv", good(tmp_path, subjects=8))
    out = tmp_path / "out"
    assert run("split", tmp_path, "--topology", rule, "-o", out, "--peers", 4).exit_code == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(DataError, match="holds a split already"):
        run("split", tmp_path, "--topology", rule, "-o", out, "--peers", 2)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    told = run("split", tmp_path, "--topology", rule, "-o", tmp_path / "other", "--peers", 2, "--json")
    parts = json.loads(told.stdout)["parts"]
    assert [each["part"] for each in parts] == ["peer-0", "peer-1", "test"]
    assert all(each["clips"] == sum(each["classes"].values()) > 0 for each in parts)

"""A peer that is started again goes on with the clips that it has trained on, or says that it does not."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from p2pfl_me.contract import load_contract
from p2pfl_me.data.clip import Clip
from p2pfl_me.errors import DataError, PeerError
from p2pfl_me.exits import Exit
from p2pfl_me.learning.trainer import Part, Samples
from p2pfl_me.peer import process
from p2pfl_me.peer.own_clips import OwnClips, keep, mark, other_than_before
from p2pfl_me.peer.settings import PeerSettings
from p2pfl_me.peer.shard import Shard
from p2pfl_me.report.failures import failures
from p2pfl_me.report.run import read_run
from p2pfl_me.run.events import Data
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.run.lines import EventLog
from tests.run.making import start
from tests.small import events, here, p2pme, write_contract, write_vectors

CLIPS = tuple(
    Clip(
        Path(f"/films/{number}"), "ours", f"s{number % 3}", str(number), "happy" if number % 2 else "sad", split="train"
    )
    for number in range(6)
)
CONTENTS = tuple(bytes([number]) * 32 for number in range(6))
DATA = Data(6, 0, 0, 3, classes={"happy": 3, "sad": 3})


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


def marks(home: Path, clips: tuple[Clip, ...] = CLIPS, contents: tuple[bytes, ...] = CONTENTS) -> OwnClips:
    return mark(clips, contents, "recipe", home)


def changed(place: int, **values: str) -> tuple[Clip, ...]:
    return (*CLIPS[:place], replace(CLIPS[place], **values), *CLIPS[place + 1 :])


@pytest.mark.parametrize(
    ("clips", "contents", "words"),
    [
        (CLIPS, CONTENTS, ""),
        (CLIPS[::-1], CONTENTS[::-1], ""),
        (tuple(replace(clip, path=Path("/moved"), clip=f"new {clip.clip}") for clip in CLIPS), CONTENTS, ""),
        (CLIPS, (b"x" * 32, *CONTENTS[1:]), "1 new, 1 gone"),
        (CLIPS[:-1], CONTENTS[:-1], "1 gone"),
        ((*CLIPS, CLIPS[0]), (*CONTENTS, CONTENTS[0]), "1 new"),
        (changed(0, label="happy"), CONTENTS, "1 clip with another label"),
        (changed(0, split="validation"), CONTENTS, "1 clip with another side"),
        (changed(0, subject="s2"), CONTENTS, "1 clip with another person"),
        (changed(0, subject="s2", label="happy"), CONTENTS, "1 clip with another person and another label"),
        (changed(0, label="happy")[:-1], CONTENTS[:-1], "1 clip with another label, 1 gone"),
    ],
)
def test_other_clips_of_equal_counts_are_told_apart(
    run: Path, tmp_path: Path, clips: tuple[Clip, ...], contents: tuple[bytes, ...], words: str
) -> None:
    keep(run, 0, marks(tmp_path))
    assert other_than_before(run, 0, marks(tmp_path, clips, contents), DATA) == words


def test_marks_say_nothing_without_the_secret_of_their_user(run: Path, tmp_path: Path) -> None:
    """Who has the run folder and a clip cannot try whether it was there: nothing is under a bare hash."""
    mine, theirs = marks(tmp_path / "mine"), marks(tmp_path / "theirs")
    assert not {each[:2] for each in mine.marks} & {each[:2] for each in theirs.marks} and mine.basis != theirs.basis
    assert (tmp_path / "mine" / "clips.secret").stat().st_mode & 0o777 == 0o600
    keep(run, 0, mine)
    assert "s0" not in RunFolder(run).clips(0).read_text()


@pytest.mark.parametrize("kept", ["of another secret", "nothing"])
def test_where_marks_cannot_be_compared_counts_are(run: Path, tmp_path: Path, kept: str) -> None:
    log = EventLog(RunFolder(run).log(0))
    log.write(replace(start(0), data=DATA))
    log.close()
    if kept != "nothing":
        keep(run, 0, marks(tmp_path / "other home"))
    own = marks(tmp_path)
    assert other_than_before(run, 0, own, replace(DATA, seen="of weights")) == ""
    assert other_than_before(run, 0, own, replace(DATA, train=5, subjects=2)) == (
        "5 clips to train on instead of 6, 2 people instead of 3"
    )
    assert "by class" in other_than_before(run, 0, own, replace(DATA, classes={"happy": 4, "sad": 2}))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1, "basis": "", "clips": [["a"]]}', '{"format": 2}'])
def test_what_is_no_list_of_marks_is_refused_in_words(run: Path, tmp_path: Path, text: str) -> None:
    RunFolder(run).clips(0).write_text(text)
    with pytest.raises(DataError, match=r"holds (no )?marks of clips"):
        other_than_before(run, 0, marks(tmp_path), DATA)
    (tmp_path / "clips.secret").write_bytes(b"short")
    with pytest.raises(DataError, match="is no secret of 32 bytes"):
        marks(tmp_path)


def test_a_disk_that_is_full_is_an_end_that_a_service_manager_tries_again(run: Path, tmp_path: Path) -> None:
    (run / "clips-0.json").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(PeerError, match="cannot be written") as unkept:
        keep(run, 0, marks(tmp_path))
    with pytest.raises(PeerError) as unmade:
        marks(tmp_path / "file" / "home")
    assert unkept.value.exit_code == unmade.value.exit_code == Exit.CANNOT_GO_ON


def test_a_run_goes_on_with_other_clips_only_where_its_user_says_so(tmp_path: Path) -> None:
    home, run = tmp_path / "home", tmp_path / "run"
    contract = write_contract(tmp_path / "one.yaml", 1, training="{rounds: 1, local_epochs: 1}")
    longer = write_contract(tmp_path / "longer.yaml", 1, training="{rounds: 2, local_epochs: 1}")
    longer.write_text(longer.read_text().replace("name: longer", "name: one"))
    data, other = (
        write_vectors(tmp_path / "a.safetensors", [1, 2, 3]),
        write_vectors(tmp_path / "b.safetensors", [4, 5, 6]),
    )
    command = ["peer", "--id", 0, "--out", run, "--data"]
    assert p2pme(home, *map(str, command), data, "--topology", contract)[0] == Exit.DONE
    before = RunFolder(run).clips(0).read_bytes()
    shutil.copy(other, data)
    code, said = p2pme(home, *map(str, command), data, "--topology", longer)
    assert code == Exit.REFUSED and "new, " in said and "--other-data" in said, said
    assert RunFolder(run).clips(0).read_bytes() == before and events(run, 0)[-1]["reason"] == "error"
    code, said = p2pme(home, *map(str, command), data, "--topology", longer, "--other-data")
    assert code == Exit.DONE and "other clips than before" in said, said
    assert json.loads(RunFolder(run).clips(0).read_bytes()) != json.loads(before)
    assert any("with other clips than before" in line for line in failures(read_run(run)))
    assert here(home, "peer", "--help")[1].count("--other-data") == 1


@pytest.mark.parametrize(("named", "drawn", "refused"), [(True, 6, True), (False, 5, True), (False, 6, False)])
def test_drawn_clips_that_are_dealt_anew_with_a_contract_stop_nobody(
    named: bool, drawn: int, refused: bool, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lab that has had films of its own, and forgets to name them, does not go on with drawn ones."""
    nothing = Part(np.empty((0, 1), np.float32), *(np.empty(0, np.int64) for _ in range(3)))
    shard = Shard(Samples(nothing), DATA, marks(tmp_path, CLIPS[:-1], CONTENTS[:-1]))
    monkeypatch.setattr(process, "_shown", lambda _: shard)
    keep(run, 0, marks(tmp_path))
    log = EventLog(RunFolder(run).log(0))
    log.write(replace(start(0), data=replace(DATA, drawn=drawn)))
    log.close()
    contract = load_contract(write_contract(tmp_path / "one.yaml", 1))
    data = tmp_path / "films" if named else None
    settings = PeerSettings(contract=contract, peer=0, run=run, home=tmp_path, resume=True, data=data)
    if refused:
        with pytest.raises(DataError, match=r"other clips than it has trained on: 1 gone"):
            process._read(settings)
    else:
        assert process._read(settings).summary.other == "1 gone"

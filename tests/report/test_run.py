"""A run folder is read whole, cut short, or damaged, and never takes the reader down."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfl_me.contract import digest
from p2pfl_me.errors import ContractError, RunError
from p2pfl_me.report.consensus import sketch_of
from p2pfl_me.report.events import read_peer_log
from p2pfl_me.report.failures import failures
from p2pfl_me.report.notes import honesty_notes
from p2pfl_me.report.results import confusion_of
from p2pfl_me.report.run import find_runs, read_run, read_runs
from p2pfl_me.report.sections import _finished
from p2pfl_me.run.events import Scores
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.run.results import read_baselines
from tests.report.fixture import Recipe as R
from tests.report.fixture import append, contract_text, write_run

SMALL = {"count": 3, "rounds": 3, "classes": ("a", "b", "c"), "support": (5, 4, 3)}


def test_a_full_run(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", **SMALL))
    assert [log.peer for log in run.peers] == [0, 1, 2]
    assert all(len(log.rounds) == 3 and log.finish and log.finish.reason == "rounds" for log in run.peers)
    confusion = confusion_of(run.average)
    assert confusion is not None and confusion.sum() == 12
    assert set(run.baselines.isolated) == {0, 1, 2} and len(run.baselines.pooled) == 3
    assert run.manifest.exit == {0: 0, 1: 0, 2: 0}
    assert run.silent == ()
    first = run.peers[0].rounds[0]
    sketch = sketch_of(first.sketch_mixed)
    assert sketch is not None and sketch.shape == (1024,)


def test_peers_are_in_the_order_of_numbers(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", **{**SMALL, "count": 11}))
    assert [log.peer for log in run.peers] == list(range(11))


def test_only_a_contract(tmp_path: Path) -> None:
    (tmp_path / "contract.yaml").write_text(contract_text(R(count=3)))
    run = read_run(tmp_path)
    assert run.peers == () and run.average is None and not run.baselines and run.silent == (0, 1, 2)


def test_the_torn_last_line_is_ignored_and_other_bad_lines_are_counted(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", **SMALL)
    log = folder / "peer-1.jsonl"
    lines = log.read_text().splitlines()
    log.write_text("\n".join([*lines[:2], "not json", "[1]", lines[2][: len(lines[2]) // 2]]))
    (folder / "baselines.json").write_text('{"isolated": {"peers": {"0": [')
    run = read_run(folder)
    assert (
        len(run.peers[1].rounds) == 1
        and [each.line for each in run.peers[1].unread] == [3, 4]
        and run.peers[1].finish is None
    )
    assert not run.baselines


def test_a_restarted_peer_counts_a_repeated_round_once_and_its_bytes_go_on(tmp_path: Path) -> None:
    log = tmp_path / "peer-0.jsonl"
    append(
        log,
        {"event": "start"},
        {"event": "round", "round": 0, "loss": 3.0, "bytes_sent": 100},
        {"event": "round", "round": 1, "loss": 2.0, "bytes_sent": 200},
        {"event": "finish", "reason": "stopped"},
        {"event": "start", "resumed_round": 1},
        {"event": "round", "round": 1, "loss": 1.5, "bytes_sent": 110},
    )
    read = read_peer_log(RunFolder(log.parent), 0)
    assert [(each.round, each.loss, each.bytes_sent) for each in read.rounds] == [(1, 3.0, 100), (2, 1.5, 310)]
    assert read.finish is None and read.starts[1].resumed_round == 1


def test_no_run_folder_is_an_error_in_the_users_words(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"not a run folder.*\n.*--out"):
        find_runs([tmp_path])
    with pytest.raises(RunError, match="no such run folder"):
        find_runs([tmp_path / "absent"])
    with pytest.raises(RunError, match=r"contract\.yaml"):
        read_run(tmp_path)


def test_a_spoiled_contract_names_itself(tmp_path: Path) -> None:
    (tmp_path / "contract.yaml").write_text("version: 1\nnmae: ring\n")
    with pytest.raises(ContractError, match=r"contract\.yaml"):
        read_run(tmp_path)


def test_a_folder_of_seeds_stands_for_its_runs_in_the_order_of_numbers(tmp_path: Path) -> None:
    for seed in (10, 2, 1):
        (tmp_path / f"seed-{seed}").mkdir()
        (tmp_path / f"seed-{seed}" / "contract.yaml").write_text(contract_text(R(seed=seed)))
    (tmp_path / "report").mkdir()
    found = find_runs([tmp_path, tmp_path / "seed-2"])
    assert [path.name for path in found] == ["seed-1", "seed-2", "seed-10"]


WORDS = st.text("aB0-7é²", max_size=4)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)
FIELDS = ("round", "loss", "weights", "missing", "test", "sketch_mixed", "bytes_sent", "data", "neighbour", "state")


@given(
    st.lists(
        st.fixed_dictionaries(
            {"event": st.sampled_from(["start", "round", "link", "refused", "finish", "catch_up", "?"]) | JSON},
            optional=dict.fromkeys(FIELDS, JSON),
        ),
        max_size=5,
    )
)
def test_any_event_reads(tmp_path_factory: pytest.TempPathFactory, events: list[dict[str, object]]) -> None:
    log = tmp_path_factory.mktemp("log") / "peer-0.jsonl"
    log.write_text("".join(json.dumps(event) + "\n" for event in events))
    read = read_peer_log(RunFolder(log.parent), 0)
    assert [each.round for each in read.rounds] == sorted({each.round for each in read.rounds})


def test_what_is_no_sketch_and_no_matrix_of_counts_is_none() -> None:
    told = ([[1, 2], [3]], [[1, -2], [0, 1]], [], None)
    assert [confusion_of(Scores(confusion=each)) for each in told] == [None] * 4  # type: ignore[arg-type]
    assert [sketch_of(each) for each in ("!!", "AAAAAAA=", "", None, "AADAfw==")] == [None] * 5, "the last is NaN"
    vector = sketch_of("AACAPwAAAMA=")
    assert vector is not None and vector.tolist() == [1.0, -2.0]


def test_baselines_that_are_something_else_are_none(tmp_path: Path) -> None:
    row = {"round": 1, "test": {"uf1": 0.5}}
    for text in (
        "[]",
        '{"pooled": 3}',
        '{"pooled": {"rounds": [{"round": true}]}}',
        "{",
        json.dumps({"pooled": [row]}),
    ):
        (tmp_path / "baselines.json").write_text(text)
        assert not read_baselines(tmp_path), text
    rows = [row, {"round": 0, "test": None}, {"round": 2, "test": {"uf1": 0.7}}]
    (tmp_path / "baselines.json").write_text(json.dumps({"pooled": {"rounds": rows, "steps": 9}, "steps": {}}))
    assert [(index, scores.uf1) for index, scores in read_baselines(tmp_path).pooled] == [(1, 0.5), (2, 0.7)]


def test_the_folders_of_several_laboratories_are_one_run(tmp_path: Path) -> None:
    whole = write_run(tmp_path / "whole", **SMALL)
    for name, peers in (("lab-a", (0, 2)), ("lab-b", (1,))):
        (tmp_path / name).mkdir()
        for kind in ("peer-{}.jsonl", "egress-{}.jsonl"):
            for peer in peers:
                (tmp_path / name / kind.format(peer)).write_bytes((whole / kind.format(peer)).read_bytes())
        (tmp_path / name / "contract.yaml").write_bytes((whole / "contract.yaml").read_bytes())
    (run,) = read_runs([tmp_path / name for name in ("lab-b", "lab-a")])
    assert [log.peer for log in run.peers] == [0, 1, 2] and list(run.silent) == []
    assert set(run.egress) == {0, 1, 2}
    assert len(read_runs([tmp_path / "lab-a", tmp_path / "lab-a"])) == 2, "the same peers twice are two runs"
    assert len(read_runs([whole, tmp_path / "lab-b"])) == 2, "a swarm's run is whole"
    before, contract = (tmp_path / "lab-b" / name for name in ("contract-1.yaml", "contract.yaml"))
    before.write_text(contract.read_text())
    contract.write_text(contract.read_text().replace("rounds: 3", "rounds: 4"))
    for names in (("lab-a", "lab-b"), ("lab-b", "lab-a")):
        (run,) = read_runs([tmp_path / name for name in names])
        assert [log.peer for log in run.peers] == [0, 1, 2] and run.contract.training.rounds == 4
    before.unlink()
    assert len(read_runs([tmp_path / "lab-a", tmp_path / "lab-b"])) == 2, "nothing says that the one came of the other"
    view = {"t": 1.77e9, "event": "view", "number": 1, "at": 2, "keys": ["training.rounds"]}
    append(tmp_path / "lab-a" / "peer-0.jsonl", {**view, "contract_digest": digest(run.contract).hex()})
    (run,) = read_runs([tmp_path / "lab-a", tmp_path / "lab-b"])
    assert run.contract.training.rounds == 4, "who left has heard of what the members came to without it"


def test_a_clock_that_was_set_back_gives_no_negative_time(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", **SMALL)
    path = folder / "manifest.json"
    told = _finished(read_run(folder))
    assert told.endswith("s later)") and "(-" not in told
    path.write_text(path.read_text().replace("2026-03-02T10:00:48", "2026-03-02T09:00:00"))
    assert _finished(read_run(folder)).endswith("(the machine's clock was set back meanwhile)")
    path.write_text(path.read_text().replace("2026-03-02T10:00:00+00:00", "2026-03-02T10:00:00"))
    assert "later" not in _finished(read_run(folder)), "times with and without a zone are not subtracted"


def test_a_contract_that_its_members_change_is_no_trouble(tmp_path: Path) -> None:
    """The process goes on by itself, its links fall for a moment, and one leaves; a later start is another process."""
    folder = write_run(tmp_path / "run", count=3, rounds=4)
    log = folder / "peer-0.jsonl"
    start, *rounds, finish = log.read_text().splitlines()
    log.write_text("\n".join([start, rounds[0]]) + "\n")
    down = {"event": "link", "neighbour": 1, "state": "down"}
    changed = {"t": 1.77e9, "event": "changed", "keys": ["training.rounds"], "contract_digest": "ab" * 32}
    again = {"event": "start", "resumed_round": 3}
    append(log, {**down, "neighbour": 2}, {**down, "neighbour": 2, "state": "up"})
    append(log, json.loads(rounds[1]), json.loads(rounds[2]), down, {**changed, "event": "view", "number": 1, "at": 3})
    append(log, changed, again, {**again, "pid": 77}, json.loads(rounds[3]), json.loads(finish))
    left = folder / "peer-1.jsonl"
    left.write_text("\n".join(left.read_text().splitlines()[:3]) + "\n")
    append(left, down, {"event": "finish", "reason": "left", "rounds": 2})
    run = read_run(folder)
    told = run.peers[0]
    assert len(told.starts) == 3 and [start.pid for start in told.restarts] == [77]
    assert not told.is_cut
    assert told.changes == ((4, ("training.rounds",)),) and run.agreed == {"ab" * 32} < run.contracts
    assert failures(run)[:2] == (
        "Peer 0 was started again and went on after round 3.",
        "Peer 0 lost the link to peer 2.",
    )
    assert not any("Peer 1" in each for each in failures(run)), "a leaver's links fall"
    notes = honesty_notes([run])
    assert "Peer 1 left after round 2, as its members had agreed; its last scores count." in notes
    assert not any("cut short" in each for each in notes)


def test_a_log_whose_beginning_is_gone_claims_nothing_of_it(tmp_path: Path) -> None:
    """The oldest of eight parts is dropped; the page said that nothing had gone wrong in all of the rounds."""
    folder = write_run(tmp_path / "run", count=3, rounds=4)
    log = folder / "peer-1.jsonl"
    log.write_text("".join(log.read_text().splitlines(keepends=True)[3:]))
    assert failures(read_run(folder)) == (
        "Peer 1's log begins with round 3: what went wrong before is not known here.",
    )

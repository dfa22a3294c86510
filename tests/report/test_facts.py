"""Failures, notes, traffic and groups: what a report says in words and sums."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from p2pfl_me.counting import readable_bytes
from p2pfl_me.report.failures import failures, received_share
from p2pfl_me.report.groups import methods_of
from p2pfl_me.report.notes import honesty_notes
from p2pfl_me.report.run import read_run
from p2pfl_me.report.traffic import PeerTraffic, by_kind, peer_traffic, sent_by_round
from tests.report.fixture import Recipe, append, contract_text, write_run

SMALL = {"count": 4, "rounds": 3, "classes": ("a", "b", "c"), "support": (5, 4, 3)}


def test_a_clean_run_has_no_failures(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", **SMALL))
    assert failures(run) == () and received_share(run) == 1.0


def test_a_killed_peer_is_named_with_what_its_neighbours_missed(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", **SMALL, killed={2: 1}))
    assert failures(run) == (
        "Peer 2 stopped without a word after round 1 (exit code -9, SIGKILL).",
        "Peer 1 mixed without peer 2 in 2 rounds (down).",
        "Peer 3 mixed without peer 2 in 2 rounds (down).",
    )
    # 2 neighbours each: 8 models expected in the first round, then 6 in each of two rounds, of which peer 2 owed 2.
    assert received_share(run) == pytest.approx(16 / 20)


def test_a_signal_that_ended_a_peer_has_its_name_whoever_tells_its_code(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", **SMALL))
    names = {6: ", SIGABRT", 9: ", SIGKILL", 11: ", SIGSEGV", 15: ", SIGTERM", 2: "", 10: "", 12: ""}
    told = {code: name for number, name in names.items() for code in (-number, 128 + number)}
    for code, name in {**told, 1: "", 9: "", 128: ""}.items():
        left = replace(run, manifest=replace(run.manifest, exit={2: code}))
        assert failures(left) == (f"Peer 2 finished its rounds and then left with exit code {code}{name}.",)


def test_refusals_links_and_errors_are_told_once_with_their_count(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", **SMALL)
    (folder / "peer-0.jsonl").unlink()
    (folder / "peer-1.jsonl").write_text("")
    append(
        folder / "peer-1.jsonl",
        {"event": "start"},
        {"event": "refused", "neighbour": None, "reason": "unknown key"},
        {"event": "refused", "neighbour": 2, "reason": "NaN"},
        {"event": "refused", "neighbour": 2, "reason": "NaN"},
        {"event": "link", "neighbour": 2, "state": "down", "reason": "silence"},
        {"event": "link", "neighbour": 2, "state": "up", "reason": ""},
        {"event": "link", "neighbour": 2, "state": "down", "reason": "closed after its last round"},
        {"event": "link", "neighbour": 3, "state": "left", "reason": ""},
        {"event": "link", "neighbour": 3, "state": "down", "reason": "closed"},
        {"event": "finish", "reason": "error", "detail": "disk full"},
        {"event": "link", "neighbour": 2, "state": "down", "reason": "closed"},
        {"event": "start", "resumed_round": 5},
        {"event": "finish", "reason": "error", "detail": "disk full"},
    )
    assert failures(read_run(folder)) == (
        "Peer 0 left no log in this folder: never started, or running on another machine.",
        "Peer 1 failed before its first round ended: disk full.",
        "Peer 1 was started again and went on after round 5.",
        "Peer 1 lost the link to peer 2 (silence).",
        "Peer 1 refused a frame from an unknown sender: unknown key.",
        "Peer 1 refused 2 frames from peer 2: NaN.",
    )


def test_notes_name_what_weakens_the_numbers(tmp_path: Path) -> None:
    drawn = " ".join(honesty_notes([read_run(write_run(tmp_path / "a", **SMALL))]))
    for words in ("drawn faces", "backbone is random", "12 test clips", "One seed only"):
        assert words in drawn
    assert "baselines were not run" not in drawn
    real = write_run(tmp_path / "b", **{**SMALL, "support": (5, 4, 0)}, source="megc", baselines=False, killed={1: 1})
    told = " ".join(honesty_notes([read_run(real)]))
    for words in ("No test clip shows c.", "baselines were not run", "cut short"):
        assert words in told
    assert "drawn faces" not in told
    assert "nothing about recognition" in honesty_notes([read_run(write_run(tmp_path / "c", **SMALL, part=None))])[0]
    validated = honesty_notes([read_run(write_run(tmp_path / "d", **SMALL, part="validation"))])
    assert "no test set" in validated[0]


def test_runs_on_different_numbers_of_clips_share_one_note(tmp_path: Path) -> None:
    supports = enumerate(((4, 4, 4), (6, 5, 4), (4, 4, 4)))
    runs = [read_run(write_run(tmp_path / str(seed), **{**SMALL, "support": its}, seed=seed)) for seed, its in supports]
    (note,) = [each for each in honesty_notes(runs) if "The scores rest on" in each]
    assert "12 to 15 test clips" in note


def test_traffic_from_logs_and_ledgers(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", **SMALL))
    rows = peer_traffic(run)
    assert [row.sent for row in rows] == [3 * 2 * 1_053_300 + 2400] * 4, "the ledger knows more than the rounds"
    assert [row.payload for row in rows] == [3 * 2 * 1_052_700] * 4
    kinds = {row.kind: row for row in by_kind(run)}
    assert kinds["ping"].messages == 160 and kinds["offer"].payload == 12 * 1_052_700
    assert sent_by_round(run)[0] == (1, 2 * 1_053_400)


def test_bytes_that_left_after_the_last_round_was_concluded_count_too(tmp_path: Path) -> None:
    """A peer reads its counter before the round's own answers have left."""
    ledger = [
        {"to": 1, "kind": "hello", "round": 0, "bytes": 46, "wire": 73},
        {"to": 1, "kind": "answer", "round": 0, "bytes": 1000, "wire": 1060},
        {"to": 1, "kind": "answer", "round": 1, "bytes": 1000, "wire": 1060},
        {"to": 1, "kind": "ping", "count": 2, "bytes": 0, "wire": 54},
    ]
    rounds = [
        {"event": "round", "round": 0, "bytes_sent": 500, "bytes_received": 1500},
        {"event": "round", "round": 1, "bytes_sent": 1560, "bytes_received": 2500},
    ]
    (tmp_path / "contract.yaml").write_text(contract_text(Recipe(count=3)))
    append(tmp_path / "peer-0.jsonl", *rounds, {"event": "traffic", "bytes_sent": 2747, "bytes_received": 2700})
    append(tmp_path / "peer-1.jsonl", *rounds)  # killed: its ledger knows more than its last round
    append(tmp_path / "peer-2.jsonl", *rounds)  # simulated: no ledger, and counted in time
    for peer in range(2):
        append(tmp_path / f"egress-{peer}.jsonl", *ledger)
    run = read_run(tmp_path)
    assert [(row.sent, row.received, row.payload) for row in peer_traffic(run)] == [
        (2747, 2700, 2000),
        (2247, 2500, 2000),
        (1560, 2500, None),
    ]
    assert sent_by_round(run) == ((1, (1133 + 1133 + 500) / 3), (2, (2747 + 2247 + 1560) / 3))


def test_the_bytes_of_a_peer_that_was_restarted_are_those_of_all_its_lives(tmp_path: Path) -> None:
    (tmp_path / "contract.yaml").write_text(contract_text(Recipe(count=1)))
    append(
        tmp_path / "peer-0.jsonl",
        {"event": "start"},
        {"event": "round", "round": 0, "bytes_sent": 500, "bytes_received": 400},
        {"event": "traffic", "bytes_sent": 700, "bytes_received": 600},
        {"event": "start", "resumed_round": 1},
        {"event": "round", "round": 1, "bytes_sent": 900, "bytes_received": 800},
        {"event": "traffic", "bytes_sent": 500, "bytes_received": 500},
    )
    assert peer_traffic(read_run(tmp_path)) == (PeerTraffic(0, 1200, 1100, None),)


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (25_281_600, "25.3 MB"), (253e6, "253 MB"), (5.9e9, "5.9 GB")],
)
def test_readable_bytes(count: float, words: str) -> None:
    assert readable_bytes(count) == words


def test_runs_that_differ_only_in_seed_are_one_group(tmp_path: Path) -> None:
    runs = [read_run(write_run(tmp_path / f"r{seed}", **SMALL, seed=seed)) for seed in (3, 1)]
    runs.append(read_run(write_run(tmp_path / "mesh", **SMALL, kind="mesh", name="mesh")))
    runs.append(read_run(write_run(tmp_path / "short", **{**SMALL, "rounds": 2})))
    groups = methods_of(runs)
    assert [group.name for group in groups] == ["ring (rounds 3)", "mesh", "ring (rounds 2)"]
    assert [tuple(run.seed for run in group.runs) for group in groups] == [(1, 3), (1,), (1,)]


def test_a_repeat_of_a_seed_is_no_other_seed(tmp_path: Path) -> None:
    seeds = {"one": 1, "again": 1, "two": 2, "once_more": 1}
    runs = [read_run(write_run(tmp_path / name, **SMALL, seed=seed)) for name, seed in seeds.items()]
    groups = methods_of(runs)
    assert [(group.name, tuple(run.seed for run in group.runs)) for group in groups] == [
        ("ring", (1, 2)),
        ("ring, repeat 2", (1,)),
        ("ring, repeat 3", (1,)),
    ]
    (note,) = (note for note in honesty_notes(runs) if "more than once" in note)
    assert "never as another seed" in note
    assert not any("more than once" in note for note in honesty_notes(runs[1:3]))


def test_another_folder_of_clips_is_another_group(tmp_path: Path) -> None:
    folders = [write_run(tmp_path / name, **SMALL, source="clips", seed=seed) for seed, name in enumerate("ab")]
    assert len(methods_of([read_run(folder) for folder in folders])) == 1
    manifest = json.loads((folders[1] / "manifest.json").read_text())
    manifest["data"]["digest"] = "00" * 32
    (folders[1] / "manifest.json").write_text(json.dumps(manifest))
    assert [group.name for group in methods_of([read_run(folder) for folder in folders])] == ["ring", "ring #2"]

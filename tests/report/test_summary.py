"""What `--json` prints of a run, and the lines at a command's end: each number against the folder it was read from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from p2pfl_me.cli.json_output import object_text
from p2pfl_me.report.claims import NO_ROUNDS, verdict
from p2pfl_me.report.compose import compose
from p2pfl_me.report.document import Bullets
from p2pfl_me.report.methods import Comparison, Method, Setting
from p2pfl_me.report.notes import honesty_notes
from p2pfl_me.report.privacy import left_the_building
from p2pfl_me.report.run import read_run, read_runs
from p2pfl_me.report.summary import as_lines, as_object
from p2pfl_me.report.traffic import model_share, peer_traffic
from tests.report.fixture import Recipe, write_run


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    made = []
    for seed in (1, 2):
        folder = tmp_path / f"seed-{seed}"
        write_run(folder, Recipe(count=3, seed=seed))
        made.append(folder)
    return made


def test_each_number_is_the_folders(runs: list[Path]) -> None:
    read = read_runs(runs)
    told = json.loads(object_text(as_object(read)))
    assert told["format"] == 1
    assert [each["seed"] for each in told["runs"]] == [1, 2]
    for run, each in zip(read, told["runs"], strict=True):
        assert each["rounds_done"] == {str(log.peer): log.rounds[-1].round for log in run.peers}
        for log in run.peers:
            last = log.rounds[-1].scores("test")
            assert last is not None
            assert each["scores"]["gossip"]["uf1"][str(log.peer)] == pytest.approx(last.get("uf1"))
            assert each["bytes_sent"][str(log.peer)] == sum(kind.wire for kind in run.egress[log.peer])
        assert run.average is not None
        assert each["scores"]["average"]["uar"] == pytest.approx(run.average.get("uar"))


def test_the_lines_show_mean_deviation_and_the_worst_peer_of_all_seeds(runs: list[Path]) -> None:
    read = read_runs(runs)
    finals = [[log.rounds[-1].scores("test").get("uf1") for log in run.peers] for run in read]  # type: ignore[union-attr]
    line = next(line for line in as_lines(read) if line.startswith("Gossip peers"))
    means = [sum(final) / len(final) for final in finals]  # type: ignore[arg-type]
    assert f"UF1 {sum(means) / 2:.3f} ± " in line
    assert f"(worst peer {min(min(final) for final in finals):.3f})" in line  # type: ignore[type-var]


def test_without_test_clips_no_score_is_made_up(tmp_path: Path) -> None:
    write_run(tmp_path / "run", Recipe(count=3, part=None, average=False, baselines=False))
    read = read_runs([tmp_path / "run"])
    assert as_lines(read)[0] == "no test clips, so no score"
    assert as_object(read)["runs"][0]["scores"] == {}


def test_a_run_that_failed_before_a_score_is_not_said_to_have_no_test_clips(tmp_path: Path) -> None:
    write_run(tmp_path / "run", Recipe(count=3, killed=dict.fromkeys(range(3), 0), average=False, baselines=False))
    (run,) = read_runs([tmp_path / "run"])
    assert as_lines([run])[0] == "no peer came to the end of a round, so no score"
    assert honesty_notes([run])[0].startswith("No peer came to the end of a round")
    assert not any("to be tested on" in note for note in honesty_notes([run]))
    assert verdict(Setting("", (Method("ring", (run,)),))) == NO_ROUNDS


def test_where_no_model_left_no_page_says_that_one_did(tmp_path: Path) -> None:
    """Greetings have headers, which were counted as weights; and nobody saw what nobody sent."""
    folder = write_run(tmp_path / "run", Recipe(count=3, killed=dict.fromkeys(range(3), 0), average=False))
    for ledger in folder.glob("egress-*.jsonl"):
        ledger.write_text('{"t": 0, "to": 1, "kind": "hello", "bytes": 46, "wire": 79, "round": 0}\n')
    run = read_run(folder)
    assert "No model was among them" in model_share(peer_traffic(run))
    assert list(left_the_building(run, True)) == [
        Bullets(("No model: words of the exchange alone, as of who is there.",))
    ]


def test_two_seeds_of_one_set_up_are_said_to_be_two(runs: list[Path]) -> None:
    """On the figure of the result, from two seeds on; of one nothing is said."""
    for several in (read_runs(runs), read_runs(runs[:1])):
        one = Comparison((Setting("", (Method("ring", tuple(several)),)),))
        sections = compose(one, in_full=True).sections
        (result,) = (block for each in sections for block in each.blocks if getattr(block, "name", "") == "result")
        assert (", over 2 seeds" in result.title, "seeds" in result.title) == (bool(several[1:]),) * 2

"""The audit of a run: a plain exchange tells who was in, protections make it tell less."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("dp_accounting", reason="pip install 'p2pfl-me[privacy]'")

from p2pfl_me.choice import derive_seed
from p2pfl_me.cli.main import cli
from p2pfl_me.compression.fragments import Fragments
from p2pfl_me.console.lines import Console
from p2pfl_me.contract import load_contract
from p2pfl_me.errors import DataError, RunError
from p2pfl_me.learning.trainer import Samples
from p2pfl_me.options import RunOptions
from p2pfl_me.privacy.budget import Unit
from p2pfl_me.privacy_audit.audit import OWN, audit_run
from p2pfl_me.privacy_audit.games import Board, board_of
from p2pfl_me.privacy_audit.overheard import Pieced
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.simulation.engine import simulate
from p2pfl_me.topology import schedule_of
from tests.small import write_contract, write_vectors

PRIVATE = "privacy={training: {kind: dp_sgd, noise: 6}, budget: {epsilon: 2}}"
MESH = "topology={kind: mesh}"
MASKS = f"privacy.exchange=masks; {MESH}"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audit")
    training = "{rounds: 3, local_epochs: 1, batch_size: 8, dropout: 0}"
    path = write_contract(folder / "audited.yaml", 5, training=training)
    vectors = write_vectors(folder / "vectors.safetensors", range(20), per_subject=4)
    options = RunOptions(folder / "home", folder / "run", vectors)
    assert simulate(load_contract(path), options, Console()) == 0
    return folder / "run"


@pytest.mark.thorough
def test_a_plain_exchange_tells_and_protections_make_it_tell_less(run: Path) -> None:
    audit = audit_run(run, run.parent / "home", games=6, units=(Unit.CLIP,), beside=(PRIVATE, MESH, MASKS))
    plain, private, mesh, masks = audit.findings
    assert plain.name == OWN and plain.promised is None and plain.units == audit.clips
    assert plain.lira.auc > 0.8, "a neighbour that is sent the model itself tells most clips apart"
    assert private.lira.auc < plain.lira.auc - 0.2 and private.at_least <= 2 == private.promised
    assert masks.threshold.auc < mesh.threshold.auc, "a sum of four tells less than each of the four"


def test_a_unit_that_cannot_be_is_refused_before_any_game(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was refused once all games of the unit before it had been played."""

    def one_each(samples: Sequence[Samples], unit: Unit) -> Board:
        alone = [replace(own, train=replace(own.train, subjects=np.zeros_like(own.train.clips))) for own in samples]
        return board_of(alone, unit)

    monkeypatch.setattr("p2pfl_me.privacy_audit.audit.board_of", one_each)
    with pytest.raises(DataError, match="peer 0 has one subject only"):
        audit_run(run, run.parent / "home", games=4, units=(Unit.CLIP, Unit.SUBJECT), tell=pytest.fail)


def test_subjects_are_told_apart_and_a_clips_budget_promises_a_subject_less(run: Path) -> None:
    (found,) = audit_run(
        run, run.parent / "home", games=4, units=(Unit.SUBJECT,), beside=(), rounds=2
    ).findings  # fmt: skip
    assert found.unit is Unit.SUBJECT and found.units < 20 and found.promised is None
    assert found.lira.auc > 0.6


def test_the_command_leaves_a_page_and_an_object_and_says_the_same(run: Path) -> None:
    arguments = ["audit-privacy", str(run), "--games", "4", "--unit", "clip", "--rounds", "1", "--json"]
    done = CliRunner(env={"P2PME_HOME": str(run.parent / "home")}).invoke(cli, arguments)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    (found,) = told["findings"]
    assert found["unit"] == "clip" and 0 <= found["lira"]["auc"] <= 1
    page = Path(told["page"]).read_text()
    assert f"{found['lira']['auc']:.3f}" in page and "Nothing was sent" in page
    assert (run / "privacy" / "membership.csv").exists()


def test_a_laboratorys_own_folder_is_refused_with_what_to_do(run: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not a run folder"):
        audit_run(tmp_path, tmp_path, games=4, units=(Unit.CLIP,))
    RunFolder(tmp_path).contract.write_bytes(RunFolder(run).contract.read_bytes())
    with pytest.raises(RunError, match="not here") as caught:
        audit_run(tmp_path, tmp_path, games=4, units=(Unit.CLIP,))
    assert "p2pme swarm" in caught.value.fix


@pytest.mark.thorough
def test_noise_of_its_own_for_each_neighbour_is_part_of_what_the_neighbour_sees(run: Path) -> None:
    loud = "privacy.exchange={kind: zero_sum, deviation: 5}"
    plain, noised = audit_run(run, run.parent / "home", games=4, units=[Unit.CLIP], beside=[loud], rounds=2).findings
    assert plain.lira.auc - noised.lira.auc > 0.05


@pytest.mark.thorough
def test_parts_for_each_neighbour_are_pieced_together_and_tell_less_than_whole_models_by_loss_alone(run: Path) -> None:
    """And hardly less to one that has shadow models: a part of a model shows a clip's mark as the whole does."""
    parts = "gossip.compression={kind: fragments, parts: 16}"
    whole, pieces = audit_run(run, run.parent / "home", games=4, units=[Unit.CLIP], beside=[parts]).findings
    assert whole.threshold.auc - pieces.threshold.auc > 0.1, "three rounds bring three sixteenths of a model"
    assert pieces.lira.auc > 0.8


def test_what_came_last_is_known_and_the_rest_is_the_neighbours_own() -> None:
    agreed = load_contract(Path("topologies/mesh.yaml"), ["gossip.compression={kind: fragments, parts: 4}"])
    pieced, size = Pieced(agreed, schedule_of(agreed), 1), 1000
    edge = Fragments(parts=4).edge(0, 1, derive_seed(agreed.seed, "compression"), size)
    theirs, own = np.arange(1, size + 1, dtype=np.float32), np.zeros(size, np.float32)
    shares = []
    for round in range(4):
        packed = np.frombuffer(edge.encode(round, theirs + round), np.uint8)
        known = pieced.of(0, round, packed, own)
        shares.append(np.count_nonzero(known) / size)
        assert np.isin(known - theirs, [*range(round + 1)], assume_unique=False)[known != 0].all()
    assert shares == sorted(shares) and shares[0] < 0.3 and shares[-1] == 1.0


def test_a_peers_neighbours_get_different_parts_of_it_in_every_round() -> None:
    """By edge and round, so no two neighbours have the same; where they do not know of each other, some is in both."""
    ones, nothing, size = np.ones(64 * 400, np.float32), np.zeros(64 * 400, np.float32), 64 * 400
    for round in range(5):
        edges = [Fragments(parts=4).edge(0, other, 7, size) for other in (1, 2, 3)]
        parts = [
            edge.exchange(round, nothing, edge.encode(round, nothing), edge.encode(round, ones)) != 0 for edge in edges
        ]
        assert all(part.mean() == 0.25 for part in parts)
        both = [float((parts[a] & parts[b]).mean()) for a, b in ((0, 1), (0, 2), (1, 2))]
        assert all(0.03 < share < 0.1 for share in both), "a sixteenth on average"

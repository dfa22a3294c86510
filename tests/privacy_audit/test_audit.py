"""The audit of a run: a plain exchange tells who was in, protections make it tell less."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("dp_accounting", reason="pip install 'p2pfl-me[privacy]'")

from p2pfl_me.cli.main import cli
from p2pfl_me.console.lines import Console
from p2pfl_me.contract import load_contract
from p2pfl_me.errors import RunError
from p2pfl_me.options import RunOptions
from p2pfl_me.privacy.budget import Unit
from p2pfl_me.privacy_audit.audit import OWN, audit_run
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.simulation.engine import simulate
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


def test_a_plain_exchange_tells_and_protections_make_it_tell_less(run: Path) -> None:
    audit = audit_run(run, run.parent / "home", games=6, units=(Unit.CLIP,), beside=(PRIVATE, MESH, MASKS))
    plain, private, mesh, masks = audit.findings
    assert plain.name == OWN and plain.promised is None and plain.units == audit.clips
    assert plain.lira.auc > 0.8, "a neighbour that is sent the model itself tells most clips apart"
    assert private.lira.auc < plain.lira.auc - 0.2 and private.at_least <= 2 == private.promised
    assert masks.threshold.auc < mesh.threshold.auc, "a sum of four tells less than each of the four"


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


def test_noise_of_its_own_for_each_neighbour_is_part_of_what_the_neighbour_sees(run: Path) -> None:
    loud = "privacy.exchange={kind: zero_sum, deviation: 5}"
    plain, noised = audit_run(run, run.parent / "home", games=4, units=[Unit.CLIP], beside=[loud], rounds=2).findings
    assert plain.lira.auc - noised.lira.auc > 0.05

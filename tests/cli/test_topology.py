"""`p2pme topology`: what a user sees, and what lies on the disk afterwards."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from p2pfl_me.cli.topology import topology
from p2pfl_me.contract import load_contract
from p2pfl_me.errors import ContractError, RunError
from p2pfl_me.topology.kind import TOPOLOGIES

READY = Path(__file__).parents[2] / "topologies"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str | Path) -> Result:
    result = CliRunner().invoke(topology, [str(word) for word in words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_list_names_every_kind_and_its_needs() -> None:
    lines = run("list").output.splitlines()
    for kind in TOPOLOGIES:
        place = next(index for index, line in enumerate(lines) if line.startswith(f"{kind} "))
        assert "needs:" in lines[place + 1]


def test_show_tells_what_the_ring_predicts_and_draws_it(here: Path) -> None:
    output = run("show", READY / "ring.yaml").output
    assert "ring, 10 peers, 10 edges" in output
    assert "0-1 0-9 1-2" in output
    assert "degrees    2 each" in output
    assert "diameter   5" in output
    assert "gap        0.1273" in output
    assert "after 51 rounds" in output
    assert "picture    ring.png" in output
    assert (here / "ring.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("kind", sorted(TOPOLOGIES))
def test_a_new_contract_has_the_name_of_its_file(kind: str, here: Path) -> None:
    assert run("new", kind).exit_code == 0
    assert load_contract(here / f"{kind}.yaml").name == kind


def test_show_cuts_a_long_list_of_edges(here: Path) -> None:
    run("new", "mesh", "--peers", "20")
    output = run("show", "mesh.yaml", "-o", "other.png").output
    assert "and 130 more" in output
    assert (here / "other.png").exists()
    assert not (here / "mesh.png").exists()


def test_show_json_has_every_edge_and_draws_only_when_asked(here: Path) -> None:
    said = json.loads(run("show", READY / "mesh.yaml", "--json").output)
    assert said["peers"] == 10
    assert len(said["edges"]) == 45
    assert said["edges"][0] == [0, 1, 0.1]
    assert said["figures"]["rounds_to_consensus"] == 1
    assert said["picture"] is None
    assert list(here.iterdir()) == []
    assert json.loads(run("show", READY / "mesh.yaml", "--json", "-o", "m.png").output)["picture"] == "m.png"


def test_show_of_very_many_peers_does_not_keep_the_user_waiting(here: Path) -> None:
    run("new", "ring", "--peers", "3000")
    output = run("show", "ring.yaml").output
    assert "3000 peers" in output
    assert "none above 2000 peers" in output


@pytest.mark.thorough
def test_show_draws_no_picture_of_very_many_links_unless_asked_and_then_says_why(here: Path) -> None:
    run("new", "epidemic", "--peers", "400")
    output = run("show", "epidemic.yaml").output
    assert "picture    none: 79800 links" in output
    assert list(here.iterdir()) == [here / "epidemic.yaml"]
    with pytest.raises(RunError, match="79800 links are too many to draw"):
        run("show", "epidemic.yaml", "-o", "all.png")
    with pytest.raises(RunError, match="at most 50000"):
        run("show", "epidemic.yaml", "--json", "-o", "all.png")
    assert list(here.iterdir()) == [here / "epidemic.yaml"]


def test_show_refuses_a_graph_in_parts(here: Path) -> None:
    Path("parts.yaml").write_text(
        "version: 1\nname: p\ntopology: {kind: edges, edges: [[0, 1], [2, 3]]}\npeers: {loopback: {count: 4}}\n"
    )
    with pytest.raises(ContractError, match=r"2 parts, \{0, 1\}, \{2, 3\}"):
        run("show", "parts.yaml")
    assert not Path("p.png").exists()


def test_new_writes_a_contract_that_loads(here: Path) -> None:
    output = run("new", "torus", "--peers", "12", "--set", "training.rounds=5", "-o", "lab.yaml").output
    assert "wrote lab.yaml" in output
    contract = load_contract("lab.yaml")
    assert (contract.name, contract.peers.count, contract.training.rounds) == ("lab", 12, 5)
    assert "#" in Path("lab.yaml").read_text()


def test_new_prints_to_the_terminal(here: Path) -> None:
    assert run("new", "ring", "-o", "-").output == (READY / "ring.yaml").read_text()
    assert list(here.iterdir()) == []


def test_new_writes_over_nothing_unless_forced(here: Path) -> None:
    Path("ring.yaml").write_text("mine")
    with pytest.raises(ContractError, match="--force"):
        run("new", "ring")
    assert Path("ring.yaml").read_text() == "mine"
    run("new", "ring", "--force")
    assert load_contract("ring.yaml").name == "ring"


def test_new_leaves_nothing_behind_when_it_fails(here: Path) -> None:
    with pytest.raises(ContractError, match="8 or 16 peers"):
        run("new", "hypercube", "--peers", "10")
    with pytest.raises(ContractError, match="did you mean `ring`"):
        run("new", "rng")
    with pytest.raises(ContractError, match="cannot be written"):
        run("new", "ring", "-o", "/dev/null/ring.yaml")
    assert list(here.iterdir()) == []
    run("new", "ring", "-o", "new/ring.yaml")
    assert load_contract("new/ring.yaml").name == "ring"

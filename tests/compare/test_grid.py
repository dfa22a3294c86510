"""The grid: what is expanded, what all cells share, and what is refused before anything runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfl_me.compare.fit import nearest, with_peers
from p2pfl_me.compare.grid import make_grid
from p2pfl_me.compare.request import Request
from p2pfl_me.compare.skew import parse_skew
from p2pfl_me.contract import contract_from_yaml
from p2pfl_me.engines import ENGINES, Engine
from p2pfl_me.errors import ContractError
from p2pfl_me.topology import schedule_of
from tests.compare.fakes import instant
from tests.small import write_contract


def request_for(tmp_path: Path, *kinds: str, **changes: object) -> Request:
    paths = tuple(write_contract(tmp_path / f"{kind}.yaml", 4, topology=f"{{kind: {kind}}}") for kind in kinds)
    return replace(Request(paths, tmp_path / "out"), **changes)  # type: ignore[arg-type]


def test_the_grid_is_the_product_and_every_cell_has_its_own_folder(tmp_path: Path) -> None:
    request = request_for(
        tmp_path,
        "ring",
        "mesh",
        varied=("training.local_epochs=1,2", "training.batch_size=8,16"),
        skews=(parse_skew("iid"), parse_skew("dirichlet:0.5")),
    )
    grid = make_grid(request)
    assert len(grid.groups) == 2 * 2 * 2 * 2
    assert len({group.folder for group in grid.groups}) == 16
    assert grid.seeds == (1, 2, 3)
    assert {group.name for group in grid.groups} >= {"ring, local_epochs 1, batch_size 8"}
    assert any(group.contract.data.partition.alpha == 0.5 for group in grid.groups)


def test_every_number_of_peers_is_a_setting_of_its_own(tmp_path: Path) -> None:
    skews = (parse_skew("iid"), parse_skew("dirichlet:0.5"))
    grid = make_grid(request_for(tmp_path, "ring", "mesh", peers=(4, 6), skews=skews, stress=True))
    assert [(group.setting, group.contract.peers.count) for group in grid.groups[::2]] == [
        ("iid, 4 peers", 4),
        ("iid, 6 peers", 6),
        ("dirichlet 0.5, 4 peers", 4),
        ("dirichlet 0.5, 6 peers", 6),
        ("dirichlet 0.1, 4 peers", 4),  # a stress
    ]
    assert len({group.folder for group in grid.groups}) == 10
    plain = make_grid(request_for(tmp_path, "ring", peers=(6, 4)))
    assert [group.setting for group in plain.groups] == [
        "as the contract says, 6 peers",
        "as the contract says, 4 peers",
    ]
    assert [group.folder for group in plain.groups] == ["ring--6-peers", "ring--4-peers"]


def test_what_of_a_contracts_peers_is_not_as_written_is_told(tmp_path: Path) -> None:
    ring = write_contract(tmp_path / "ring.yaml", 4)
    mesh = write_contract(
        tmp_path / "mesh.yaml", 7, topology="{kind: mesh}", peers="{loopback: {count: 7}, widths: {1: 0.5, 5: 0.5}}"
    )
    notes = make_grid(Request((ring, mesh), tmp_path / "out")).notes
    assert any("4 peers as" in note and "instead of 7" in note for note in notes)
    assert any("widths of peers 5 are left out" in note for note in notes)
    asked = make_grid(Request((ring, mesh), tmp_path / "out", peers=(6,))).notes
    assert not any("instead of" in note for note in asked)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"varied": ("training.rounds=1,2",), "rounds": 3}, "`training.rounds` is also set by --rounds"),
        ({"varied": ("training.rounds=1",), "overrides": ("training.rounds=2",)}, "is also set by --set"),
        ({"varied": ("data.partition={by: labels}",), "skews": (parse_skew("iid"),)}, "is also set by --skew"),
        ({"varied": ("data.partition.by=labels",), "stress": True}, "is also set by --stress"),
        ({"overrides": ("data.partition.by=labels",), "skews": (parse_skew("iid"),)}, "is also set by --skew"),
        ({"overrides": ("peers.loopback.count=3",), "peers": (4,)}, "is also set by --peers"),
        ({"varied": ("training.batch_size=8", "training.batch_size=16")}, "varied twice"),
    ],
)
def test_a_key_that_two_options_set_is_refused(tmp_path: Path, changes: dict[str, object], says: str) -> None:
    with pytest.raises(ContractError, match=says):
        make_grid(request_for(tmp_path, "ring", **changes))
    # The last --set of a key counts, as everywhere.
    make_grid(request_for(tmp_path, "ring", overrides=("training.rounds=2", "training.rounds=3")))


def test_a_key_that_one_contract_lacks_is_told_with_the_contract_and_the_option(tmp_path: Path) -> None:
    with pytest.raises(ContractError) as caught:
        make_grid(request_for(tmp_path, "base", "ring", varied=("topology.meets=1,2",)))
    assert caught.value.where == f"{tmp_path / 'ring.yaml'}, --vary topology.meets"


def test_fewer_peers_than_the_widths_need_are_refused(tmp_path: Path) -> None:
    path = write_contract(tmp_path / "ring.yaml", 4, peers="{loopback: {count: 4}, widths: {0: 0.5, 1: 0.5}}")
    with pytest.raises(ContractError, match=r"no 2 peers: .*whole model") as caught:
        make_grid(Request((path,), tmp_path / "out", peers=(2,)))
    assert caught.value.where == str(path)


def test_ports_move_down_where_more_peers_would_pass_the_last(tmp_path: Path) -> None:
    contract = contract_from_yaml(
        "version: 1\nname: x\ntopology: {kind: ring}\npeers: {loopback: {count: 8, base_port: 65500}}\n"
    )
    loopback = with_peers(contract, 100).peers.loopback
    assert loopback is not None and loopback.base_port + loopback.count == 65536


def test_all_take_model_training_and_data_from_the_first_and_keep_their_topology(tmp_path: Path) -> None:
    one = write_contract(tmp_path / "ring.yaml", 4, training="{rounds: 3, local_epochs: 2}")
    two = write_contract(tmp_path / "mesh.yaml", 7, topology="{kind: mesh}", training="{rounds: 9}")
    grid = make_grid(Request((one, two), tmp_path / "out", rounds=5))
    first, second = (group.contract for group in grid.groups)
    assert second.topology.kind == "mesh"
    assert second.peers.count == 4 and second.training == first.training
    assert first.training.rounds == 5 and first.training.local_epochs == 2
    assert any("mesh.yaml: training" in note for note in grid.notes)


def test_values_with_options_have_readable_names(tmp_path: Path) -> None:
    varied = ("gossip.compression=null,int8,{kind: topk, fraction: 0.2}",)
    grid = make_grid(request_for(tmp_path, "ring", varied=varied))
    assert [group.name for group in grid.groups] == [
        "ring, compression none",
        "ring, compression int8",
        "ring, compression topk fraction 0.2",
    ]
    assert grid.groups[2].folder == "ring--compression-topk-fraction-0.2"


def test_a_topology_that_cannot_have_so_many_peers_is_refused_with_the_nearest_that_works(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"--peers 8, the nearest") as caught:
        make_grid(request_for(tmp_path, "ring", "hypercube", peers=(7,)))
    assert caught.value.where.endswith("hypercube.yaml")


@given(st.integers(2, 40))
def test_the_nearest_number_works_and_no_nearer_one_does(count: int) -> None:
    text = "version: 1\nname: x\ntopology: {kind: hypercube}\npeers: {loopback: {count: 8}}\n"
    contract = with_peers(contract_from_yaml(text), count)
    found = nearest(contract)
    assert found is not None
    schedule_of(with_peers(contract, found))
    powers = [2**power for power in range(1, 8) if 2**power != count]
    assert abs(found - count) == min(abs(power - count) for power in powers)


def test_an_unknown_key_is_refused_with_the_contracts_own_words(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"unknown key `gossip\.protocl`.*\n.*`protocol`"):
        make_grid(request_for(tmp_path, "ring", varied=("gossip.protocl=dpsgd,other",)))


@pytest.mark.parametrize("text", ["training.rounds", "=1,2", "training.rounds=", "training.rounds=[1", "seed=1,2"])
def test_what_cannot_be_varied_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ContractError) as caught:
        make_grid(request_for(tmp_path, "ring", varied=(text,)))
    assert caught.value.where == "--vary"


@pytest.mark.parametrize("word", ["", "uneven", "dirichlet", "dirichlet:", "dirichlet:0", "dirichlet:nan", "iid:1"])
def test_unknown_ways_of_dealing_are_refused(word: str) -> None:
    with pytest.raises(ContractError, match="dirichlet:ALPHA"):
        parse_skew(word)


def test_the_same_set_up_twice_is_refused(tmp_path: Path) -> None:
    request = request_for(tmp_path, "ring")
    with pytest.raises(ContractError, match="stands twice"):
        make_grid(replace(request, contracts=request.contracts * 2))
    with pytest.raises(ContractError, match="stands twice"):
        make_grid(replace(request, varied=("training.batch_size=8,8",)))


def test_real_processes_run_one_cell_at_a_time(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="ports"):
        make_grid(request_for(tmp_path, "ring", jobs=2))


def test_stress_leaves_out_what_a_real_network_cannot_be_told_to_do(tmp_path: Path) -> None:
    grid = make_grid(request_for(tmp_path, "ring", stress=True))
    assert [condition.name for condition, _ in grid.refused] == ["10 % loss", "straggler 10x", "20 % churn"]
    assert all("--engine simulate" in reason for _, reason in grid.refused)
    assert [group.condition for group in grid.groups] == ["", "dirichlet 0.1"]


def test_an_engine_with_a_network_runs_every_stress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENGINES, "instant", Engine(instant, "json", lambda faults: instant, in_process=True))
    grid = make_grid(request_for(tmp_path, "ring", stress=True, engine="instant", skews=(parse_skew("dirichlet:0.1"),)))
    assert not grid.refused
    assert [group.condition for group in grid.groups] == ["", "10 % loss", "straggler 10x", "20 % churn"]
    assert len({group.folder for group in grid.groups}) == 4

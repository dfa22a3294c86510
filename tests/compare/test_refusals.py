"""What cannot work is refused before anything starts, with the reason and the nearest thing that works."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from p2pfl_me.compare.grid import make_grid
from p2pfl_me.compare.request import Request
from p2pfl_me.compare.run import compare
from p2pfl_me.console.lines import Console
from p2pfl_me.contract import Contract
from p2pfl_me.errors import DataError, P2pmeError
from tests.small import write_contract, write_vectors

CASES = {
    "choco on a changing graph": (
        {"topology": "{kind: base, meets: 2}", "gossip": "{compression: topk}"},
        {},
        "edges change",
        "int8 or fragments",
    ),
    "power on a changing graph": (
        {"topology": "{kind: epidemic}", "gossip": "{compression: power}"},
        {},
        "edges change",
        "a graph that stands",
    ),
    "a directed graph without push-sum": (
        {"topology": "{kind: one_peer_exponential}"},
        {},
        "directed",
        "gossip.protocol: push_sum",
    ),
    "edges of another number of peers": (
        {"topology": "{kind: edges, edges: [[0, 1], [1, 2], [2, 3]]}"},
        {"peers": (6,)},
        "edges of 6 peers",
        "--peers 4",
    ),
    "a torus of another number of peers": (
        {"topology": "{kind: torus, rows: 2, columns: 2}"},
        {"peers": (7,)},
        "torus of 7 peers",
        "--peers 4",
    ),
    "a schedule that does not pair up": (
        {"topology": "{kind: epidemic, meets: 3}"},
        {"peers": (5,)},
        "epidemic of 5 peers",
        "--peers 4",
    ),
    "compression and a protocol that exclude each other": (
        {"gossip": "{protocol: swift, compression: int8}"},
        {},
        "swift",
        "dpsgd",
    ),
    "momentum for another protocol": ({"gossip": "{momentum: 0.9}"}, {}, "qg_dsgdm", "momentum"),
    "lockstep without rounds": (
        {"gossip": "{protocol: adpsgd}"},
        {"engine": "lockstep"},
        "lockstep",
        "--engine simulate",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_refused(tmp_path: Path, case: str) -> None:
    sections, options, reason, instead = CASES[case]
    contract = write_contract(tmp_path / "swarm.yaml", 4, **sections)
    with pytest.raises(P2pmeError) as caught:
        make_grid(Request((contract,), tmp_path / "out", **options))  # type: ignore[arg-type]
    assert reason in str(caught.value)
    assert instead in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("engine", ["processes", "simulate", "lockstep"])
def test_more_peers_than_memory(tmp_path: Path, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("p2pfl_me.machine.available_bytes", lambda: 500_000_000)
    contract = write_contract(tmp_path / "swarm.yaml", 4)
    assert make_grid(Request((contract,), tmp_path / "out", engine=engine)).groups
    with pytest.raises(P2pmeError, match="GB") as caught:
        make_grid(Request((contract,), tmp_path / "out", engine=engine, peers=(1000,)))
    assert "peers" in caught.value.fix


def test_more_peers_than_subjects_start_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P2PME_HOME", str(tmp_path / "home"))
    data = write_vectors(tmp_path / "vectors.safetensors", range(12))
    contract = write_contract(tmp_path / "swarm.yaml", 4)
    with pytest.raises(P2pmeError, match="at most 9 peers"):
        compare(Request((contract,), tmp_path / "out", peers=(30,), data=data), Console())
    assert not (tmp_path / "out").exists()


def test_a_taken_port_is_told_before_features_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was told by the first cell, minutes later."""
    monkeypatch.setenv("P2PME_HOME", str(tmp_path / "home"))
    for made in ("prepare", "run_baselines"):
        monkeypatch.setattr(f"p2pfl_me.compare.run.{made}", None)
    data = write_vectors(tmp_path / "vectors.safetensors", range(12))
    contract = write_contract(tmp_path / "swarm.yaml", 4)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = f"peers.loopback.base_port={taken.getsockname()[1]}"
        with pytest.raises(P2pmeError, match="is taken") as caught:
            compare(Request((contract,), tmp_path / "out", data=data, overrides=(port,), seeds=1), Console())
    assert "base_port=" in caught.value.fix and not (tmp_path / "out").exists()


@pytest.mark.parametrize("baselines", [True, False])
def test_a_clip_that_cannot_be_read_leaves_no_folder_but_what_was_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, baselines: bool
) -> None:
    """Clips are dealt before their images are read; what another seed has trained was worth its time."""
    monkeypatch.setenv("P2PME_HOME", str(tmp_path / "home"))
    data = write_vectors(tmp_path / "vectors.safetensors", range(12))
    contract = write_contract(tmp_path / "swarm.yaml", 4)
    request = Request((contract,), tmp_path / "out", seeds=2, data=data, baselines=baselines, engine="simulate")

    def no_images(contract: Contract, *given: object, **named: object) -> None:
        if baselines and contract.seed == 1:
            next(tmp_path.glob("out/shared/*/seed-1")).joinpath("baselines.json").write_text('{"isolated": {}}')
            return
        assert list(tmp_path.glob("out/shared/*/seed-2"))
        raise DataError("no image")

    monkeypatch.setattr(
        "p2pfl_me.compare.run.run_baselines" if baselines else "p2pfl_me.compare.run.fill_here", no_images
    )
    with pytest.raises(DataError):
        compare(request, Console(quiet=True))
    assert (tmp_path / "out").exists() == baselines

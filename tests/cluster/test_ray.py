"""Units on a real Ray cluster of two nodes on this machine, one of them killed in the middle: the local run's answers.

Not run by default: `pytest -m ray` (the extra `ray`, a minute or two).
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from p2pfl_me.cluster.place import Place
from p2pfl_me.compare.request import Request
from p2pfl_me.compare.run import compare
from p2pfl_me.console.lines import Console
from p2pfl_me.errors import DataError, PeerError
from p2pfl_me.evaluate.store import Store
from p2pfl_me.exits import handlers_kept
from tests.evaluate.making import request as make_request
from tests.evaluate.making import run as run_evaluation
from tests.small import write_contract, write_vectors

pytestmark = pytest.mark.ray

SMALL = {"num_cpus": 1, "memory": 3_000_000_000, "object_store_memory": 80_000_000}


class TwoNodes:
    """A cluster whose second node can be killed, and is there again for the next test."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        with handlers_kept():
            self.cluster = Cluster(initialize_head=True, head_node_args={**SMALL, "include_dashboard": False})
        self.second: Any = None
        self.heal()

    @property
    def place(self) -> Place:
        return Place(str(self.cluster.address))

    def heal(self) -> None:
        if self.second is None:
            with handlers_kept():
                self.second = self.cluster.add_node(**SMALL)
            self.cluster.wait_for_nodes()

    def kill(self) -> None:
        """As by a power cut: no task is told."""
        if self.second is not None:
            self.cluster.remove_node(self.second, allow_graceful=False)
            self.second = None


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoNodes]:
    pytest.importorskip("ray", reason="pip install 'p2pfl_me[ray]'")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("P2PME_HOME", str(tmp_path_factory.mktemp("home")))  # the nodes' own
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_raylet_start_wait_time_s", "180")  # a busy machine takes long to start a node
        nodes = TwoNodes()
        yield nodes
        nodes.cluster.shutdown()


@pytest.fixture
def nodes(started: TwoNodes) -> TwoNodes:
    started.heal()
    return started


def models(out: Path) -> dict[str, str]:
    """What a comparison's cells ended with: the digest of every file of weights and scores, by its path."""
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.glob("cells/**/*"))
        if path.suffix in {".safetensors", ".bin", ".npy"} or path.name == "average.json"
    }


@pytest.mark.parametrize("send", [False, True], ids=["own clips", "sent features"])
def test_an_evaluation_has_the_local_answers_though_a_node_is_killed(
    nodes: TwoNodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, send: bool
) -> None:
    asked = make_request(tmp_path, peers="3", subjects=range(6), seeds=2)
    assert run_evaluation(asked)[0] == 0
    keep, kept = Store.keep, list[str]()

    def keep_and_kill(store: Store, unit: Any, outcome: Any) -> None:
        keep(store, unit, outcome)
        kept.append(unit.name)
        if len(kept) == 3:
            nodes.kill()

    monkeypatch.setattr(Store, "keep", keep_and_kill)
    there = replace(asked, out=tmp_path / "ray", place=replace(nodes.place, send=send))
    code, said = run_evaluation(there)
    assert code == 0, said
    assert nodes.second is None and len(kept) == len(set(kept)), "killed, and every unit kept once"
    assert f"{len(kept)}/{len(kept)}" in said
    for name in ("predictions.csv", "split.json"):
        assert (there.out / name).read_bytes() == (asked.out / name).read_bytes()
    again = run_evaluation(there)[1]
    assert f"{len(kept)} of {len(kept)} units are finished already" in again


def test_a_comparison_has_the_local_weights_though_a_node_is_killed(nodes: TwoNodes, tmp_path: Path) -> None:
    contracts = tuple(write_contract(tmp_path / f"{kind}.yaml", 4, topology=f"{{kind: {kind}}}") for kind in GRAPHS)
    data = write_vectors(tmp_path / "vectors.safetensors", range(12))
    asked = Request(contracts, tmp_path / "local", seeds=3, baselines=False, engine="lockstep", data=data)
    assert compare(asked, Console(io.StringIO())).code == 0

    class Killing(io.StringIO):
        def write(self, text: str) -> int:
            if "2/12" in text:
                nodes.kill()
            return super().write(text)

    said = Killing()
    there = replace(asked, out=tmp_path / "ray", place=nodes.place)
    assert compare(there, Console(said)).code == 0, said.getvalue()
    assert nodes.second is None and "12/12" in said.getvalue() and "left" in said.getvalue()
    assert models(there.out) == models(asked.out) and len(models(asked.out)) >= 12 * 2
    assert not list(there.out.glob("arriving*"))
    again = io.StringIO()
    assert compare(there, Console(again)).code == 0 and "12 of 12 cells are finished already" in again.getvalue()


GRAPHS = ("ring", "mesh", "line", "star")


def test_a_node_with_other_clips_is_refused_by_name(
    nodes: TwoNodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from p2pfl_me.evaluate import elsewhere

    asked = make_request(tmp_path, seeds=1)
    errand_of = elsewhere._errand
    monkeypatch.setattr(elsewhere, "_errand", lambda *given: replace(errand_of(*given), clips="00"))
    with pytest.raises(DataError, match=r"node .* has other clips there .*\n.*--send"):
        run_evaluation(replace(asked, place=nodes.place))


def test_what_no_node_can_hold_is_refused(nodes: TwoNodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("p2pfl_me.evaluate.elsewhere.PROCESS", 10**15)
    with pytest.raises(PeerError, match=r"1000000.* GB, and the roomiest node that computes has 3.0 GB"):
        run_evaluation(replace(make_request(tmp_path), place=nodes.place))


def test_nobody_at_the_address_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PeerError, match=r"no Ray cluster answers at `auto`.*\n.*ray start --head"):
        monkeypatch.setattr("ray.init", _nobody)
        run_evaluation(replace(make_request(tmp_path), place=Place("auto")))


def _nobody(**asked: object) -> None:
    raise ConnectionError("Could not find any running Ray instance")

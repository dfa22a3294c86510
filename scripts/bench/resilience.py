"""What liars cost under each aggregation rule, graph and attack: mean UF1 of the honest peers' own models.

    python scripts/bench/resilience.py --data DIR [--network ststnet] [--rounds 30] [--seeds 3] [--liars 1,2]
        [--graphs ring,regular,mesh] [--rules mean,trimmed_mean,...] [--attacks sign_flip,...] [--out results.jsonl]

Ten peers, clips dealt by subject, the cores of real peers in the event simulator, all liars on one board: they see
every honest model as soon as it is sent. f is the number of liars; where a graph has too few links for that, one less,
down to 1, and the rule is left out where even that is refused. With --out, results are kept line by line and a second
start goes on. `clean` has the same honest peers with nobody lying, so that figures of a line are of the same peers.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import torch

from p2pfl_me.adversary import ATTACKS, Board, Lies, Observed
from p2pfl_me.aggregation import AGGREGATIONS
from p2pfl_me.contract import Contract, contract_from_yaml
from p2pfl_me.errors import ContractError, P2pmeError
from p2pfl_me.gossip.cores import Start, core_of
from p2pfl_me.gossip.protocol import Finish, Mixed
from p2pfl_me.home import cache_dir, home
from p2pfl_me.learning.network import initial_params
from p2pfl_me.learning.samples import samples_of
from p2pfl_me.learning.trainer import Samples, Trainer, make_trainer
from p2pfl_me.message import Vector
from p2pfl_me.peer.schema import schema_of
from p2pfl_me.simulation.clock import Clock
from p2pfl_me.simulation.host import Life, Simulation
from p2pfl_me.simulation.pace import ORDINARY
from p2pfl_me.topology import plan_of

PEERS = 10
GRAPHS = {"ring": "{kind: ring}", "regular": "{kind: regular, degree: 4}", "mesh": "{kind: mesh}"}
DEGREE = {"ring": 2, "regular": 4, "mesh": PEERS - 1}


def rule_for(kind: str, graph: str, liars: int) -> dict[str, Any] | None:
    """The rule made ready for so many liars among the neighbours, or as many as the graph lets it stand."""
    field = next((name for name in ("f", "trim") if name in AGGREGATIONS[kind].model_fields), None)
    for f in range(liars, 0, -1):
        options = {field: f} if field else {}
        if AGGREGATIONS.of(kind, **options).least_neighbours <= DEGREE[graph]:
            return {"kind": kind, **options}
    return None


def contract_of(graph: str, rule: Mapping[str, Any], seed: int, given: argparse.Namespace) -> Contract:
    return contract_from_yaml(
        f"version: 1\nname: resilience\nseed: {seed}\ntopology: {GRAPHS[graph]}\n"
        f"peers: {{loopback: {{count: {PEERS}}}}}\n"
        f"model: {given.model}\n"
        f"training: {{rounds: {given.rounds}, local_epochs: {given.epochs}, learning_rate: {given.rate}}}\n"
        f"gossip: {{aggregation: {json.dumps(rule)}}}\n"
    )


class Work:
    """A peer that trains and forgets."""

    def __init__(self, trainer: Trainer, params: Vector) -> None:
        self.trainer, self.params = trainer, params

    def train(self, round: int, params: Vector, seconds: float) -> Vector:
        return self.trainer.train(params, round).params

    def conclude(self, mixed: Mixed, sent: int, received: int) -> float | None:
        self.params = mixed.params
        return None

    def note(self, event: str, **values: Any) -> None: ...
    def finished(self, finish: Finish | None, error: P2pmeError | None) -> None: ...


@cache
def dealt(data: Path, model: str, seed: int) -> tuple[Samples, ...]:
    """Each peer's samples with the common test part; the same for all rules and attacks of a seed."""
    from p2pfl_me.data.source import deal, prepare

    agreed = contract_from_yaml(
        f"version: 1\nname: resilience\nseed: {seed}\ntopology: {{kind: mesh}}\n"
        f"peers: {{loopback: {{count: {PEERS}}}}}\nmodel: {model}\n"
    )
    manifest = prepare(agreed, data, cache_dir(home()))
    shards, test = deal(agreed, manifest), manifest.part("test")
    return tuple(samples_of(agreed, [*own, *test], cache=cache_dir(home())) for own in shards)


def play(contract: Contract, samples: tuple[Samples, ...], lies: Lies | None) -> dict[int, float]:
    """The final UF1 of every honest peer."""
    plan, layout = plan_of(contract), contract.model.layout
    start = initial_params(contract, cache=cache_dir(home()))
    board = Board(lies.liars(contract) if lies else frozenset())
    deceit = lies.deceit(contract, board) if lies else None
    own = [deceit.samples(each) if deceit and peer in board.liars else each for peer, each in enumerate(samples)]
    works = [Work(make_trainer(contract, peer, each, "cpu"), start) for peer, each in enumerate(own)]

    def boot(peer: int) -> Life:
        begin = Start(start, personal=contract.personal_ranges, shapes=layout.dimensions)
        core = core_of(contract, peer, plan, begin)
        if deceit:
            core = deceit.core(core, peer) if peer in board.liars else Observed(core, peer, board)
        return Life(core, works[peer])

    steps = [contract.training.local_epochs * ceil(len(each.train) / contract.training.batch_size) for each in own]
    neighbours = {peer: plan.neighbours(peer) for peer in range(PEERS)}
    faults = replace(ORDINARY, slow=dict(enumerate(map(float, steps))))
    Simulation(boot, neighbours, faults, schema_of(contract, layout), clock=Clock(), seed=contract.seed).run(1e7)
    scores = {}
    for peer, work in enumerate(works):
        if peer not in board.liars:
            found = work.trainer.evaluate(work.params, "test")
            scores[peer] = float(found.uf1) if found else float("nan")
    return scores


def cells(given: argparse.Namespace) -> Iterator[tuple[int, str, str, str, int]]:
    """(seed, graph, rule, attack, liars); no attack is `clean`."""
    for seed in range(1, given.seeds + 1):
        for graph in given.graphs:
            for rule in given.rules:
                for attack, liars in [("clean", 0), *((a, n) for a in given.attacks for n in given.liars)]:
                    yield seed, graph, rule, attack, liars


def run(given: argparse.Namespace) -> dict[tuple[int, str, str, str, int], dict[int, float]]:
    done: dict[tuple[int, str, str, str, int], dict[int, float]] = {}
    kept = given.out.read_text().splitlines() if given.out and given.out.exists() else []
    for line in kept:
        entry = json.loads(line)
        done[tuple(entry["cell"])] = {int(peer): score for peer, score in entry["scores"].items()}
    torch.set_num_threads(1)
    for cell in cells(given):
        seed, graph, kind, attack, liars = cell
        rule = rule_for(kind, graph, max(liars, max(given.liars)))
        if cell in done or rule is None:
            continue
        contract = contract_of(graph, rule, seed, given)
        lies = Lies(ATTACKS.of(attack), liars) if liars else None
        try:
            done[cell] = play(contract, dealt(given.data, given.model, seed), lies)
        except ContractError as error:
            print(f"{cell}: {error}")
            continue
        if given.out:
            with given.out.open("a") as file:
                file.write(json.dumps({"cell": cell, "scores": done[cell]}) + "\n")
    return done


def table(given: argparse.Namespace, done: Mapping[tuple[int, str, str, str, int], dict[int, float]]) -> Iterator[str]:
    for graph in given.graphs:
        for liars in given.liars:
            yield f"\n{graph}, {liars} of {PEERS} lie; mean UF1 of the honest (clean: with nobody lying)\n"
            yield "| rule | clean | " + " | ".join(given.attacks) + " | worst cost |"
            yield "|---|" + "---:|" * (len(given.attacks) + 2)
            for kind in given.rules:
                rule = rule_for(kind, graph, max(given.liars))
                if rule is None:
                    yield f"| {kind} | too few links |" + " |" * (len(given.attacks) + 1)
                    continue
                clean, costs, figures = [], [], []
                for attack in given.attacks:
                    pairs = []
                    for seed in range(1, given.seeds + 1):
                        under, calm = (
                            done.get((seed, graph, kind, attack, liars)),
                            done.get((seed, graph, kind, "clean", 0)),
                        )
                        if under and calm:
                            pairs.append((np.mean([calm[peer] for peer in under]), np.mean(list(under.values()))))
                    if not pairs:
                        figures.append("–")
                        continue
                    before, after = map(float, np.mean(pairs, axis=0))
                    clean.append(before)
                    costs.append(before - after)
                    figures.append(f"{after:.3f}")
                named = ", ".join(f"{key} {value}" for key, value in rule.items() if key != "kind")
                first = f"{np.mean(clean):.3f}" if clean else "–"
                yield (
                    f"| {kind}{f' ({named})' if named else ''} | {first} | "
                    + " | ".join(figures)
                    + (f" | {max(costs):+.3f} |" if costs else " | – |")
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])

    def words(text: str) -> list[str]:
        return text.split(",")

    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="{backbone: ststnet, label_map: megc2019, input: flow, input_size: 28}")
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--liars", type=lambda text: list(map(int, words(text))), default=[2])
    parser.add_argument("--graphs", type=words, default=list(GRAPHS))
    parser.add_argument("--rules", type=words, default=["mean", *(kind for kind in AGGREGATIONS if kind != "mean")])
    parser.add_argument(
        "--attacks", type=words, default=[kind for kind in ATTACKS if kind not in ("mute", "round_claim")]
    )
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    for line in table(given, run(given)):
        print(line)


if __name__ == "__main__":
    main()

"""Choose settings without the subjects that are tested: each half of the subjects is judged by folds of the other.

    python scripts/choose.py --data FOLDER --peers 10 --try "" --try "topology.kind=exponential"

The subjects are dealt into two halves, A and B. Within B, the gossip peers of each set of settings are cross-validated
by subject; the best is what subjects of A may be tested with, and the other way round. So no clip of a tested subject
ever speaks for the settings it is tested with (cross-fitting). Prints UF1 over the answers of all folds, the mean of
the peers' own; and pooled training's under the same settings, which the choice must not cost anything. Overrides are of
the ready contract that `p2pme evaluate` starts from.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import product
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from p2pfl_me.choice import derive_seed
from p2pfl_me.console.lines import Console
from p2pfl_me.contract import Contract
from p2pfl_me.data.classes import read_for_all
from p2pfl_me.data.manifest import Clip
from p2pfl_me.evaluate.dealing import deal, with_peers
from p2pfl_me.evaluate.folds import make_split
from p2pfl_me.evaluate.gossiping import gossip
from p2pfl_me.evaluate.holdout import HoldOut
from p2pfl_me.evaluate.items import read_clips, read_items
from p2pfl_me.evaluate.ready import ready_contract
from p2pfl_me.evaluate.units import peers_left
from p2pfl_me.home import cache_dir, home
from p2pfl_me.learning.metrics import Metrics, confusion_matrix
from p2pfl_me.learning.network import initial_params
from p2pfl_me.learning.trainer import FeatureTrainer, Samples


def half_of(clips: tuple[Clip, ...], half: int) -> tuple[Clip, ...]:
    """Every second subject of each data set, in random order."""
    random = np.random.default_rng(derive_seed(1, "halves"))
    chosen: set[str] = set()
    for dataset in sorted({clip.dataset for clip in clips}):
        subjects = sorted({clip.subject for clip in clips if clip.dataset == dataset})
        chosen |= {subjects[index] for index in random.permutation(len(subjects))[half::2]}
    return tuple(clip for clip in clips if clip.subject in chosen)


@dataclass(frozen=True, slots=True)
class Verdict:
    """UF1 within one half: the mean of the gossip peers' own, and pooled training's; the seconds it took."""

    gossip: float
    pooled: float
    seconds: float


def judge(contract: Contract, data: Path, peers: str, half: int) -> Verdict:
    """Cross-validate within one half of the subjects."""
    begun = time.perf_counter()
    torch.set_num_threads(1)
    cache = cache_dir(home())
    clips = half_of(read_clips(contract, data, cache), half)
    items = read_items(contract, clips, HoldOut.KFOLD, cache=cache)
    split = make_split(clips, HoldOut.KFOLD, folds=5, seed=contract.seed)
    count = len({clip.dataset for clip in clips}) if peers == "dataset" else int(peers)
    agreed = with_peers(contract, count)
    (shards,) = deal(agreed, items.clips, split, peers).values()
    start = initial_params(agreed, cache=cache)
    answers = np.full((count + 1, len(items)), -1)  # the last row is pooled training's
    for fold in split.folds:
        present = peers_left(fold, shards)
        test = items.part(fold.test)
        samples = [Samples(items.part([i for i in fold.train if shards[i] == peer]), test=test) for peer in present]
        models = gossip(with_peers(agreed, len(present)), samples, start)
        pooled = FeatureTrainer(agreed, 0, Samples(items.part(fold.train), test=test), torch.device("cpu"))
        alone = start
        for round in range(agreed.training.rounds):
            alone = pooled.train(alone, round).params
        for row, model in zip([*present, count], [*models, alone], strict=True):
            found = pooled.clip_logits(model, "test")
            assert found is not None, "every fold holds something out"
            answers[row, found.clips] = found.logits.argmax(axis=1)
    scores = []
    for answer in answers:
        asked = answer >= 0
        counts = confusion_matrix(items.labels[asked], answer[asked], len(contract.model.classes))
        scores.append(Metrics(counts).uf1)
    return Verdict(float(np.mean(scores[:-1])), scores[-1], time.perf_counter() - begun)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--peers", default="dataset")
    parser.add_argument("--try", dest="tried", action="append", required=True, help="Overrides, with blanks between.")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    seeds = range(1, 1 + arguments.seeds)
    with ProcessPoolExecutor(arguments.jobs, mp_context=get_context("forkserver")) as pool:
        futures = {}
        wanted = list(product(arguments.tried, seeds, (0, 1)))
        contracts = [ready_contract([*words.split(), f"seed={seed}"]) for words, seed, _ in wanted]
        ready = read_for_all(contracts, arguments.data, Console(quiet=True).say)
        for (words, seed, half), (contract, _) in zip(wanted, ready, strict=True):
            ask = partial(judge, contract, arguments.data, arguments.peers, half)
            futures[words, seed, half] = pool.submit(ask)
        found = {}
        for key, future in futures.items():
            found[key] = verdict = future.result()
            print(key, f"{verdict.gossip:.4f} {verdict.pooled:.4f} {verdict.seconds:.0f} s", file=sys.stderr)
    for half in (0, 1):
        print(f"validation within half {'AB'[half]}, for testing half {'BA'[half]}: gossip, pooled")
        judged = [(words, [found[words, seed, half] for seed in seeds]) for words in arguments.tried]
        means = [
            (np.mean([each.gossip for each in all]), np.mean([each.pooled for each in all]), words)
            for words, all in judged
        ]
        for own, pooled, words in sorted(means, reverse=True):
            print(f"  {own:.4f}  {pooled:.4f}  {words or '(as it is)'}")


if __name__ == "__main__":
    main()

"""Choose settings without the subjects that are tested: each half of the subjects is judged by folds of the other.

    python scripts/choose.py --data FOLDER --peers 10 --try "" --try "topology.kind=exponential"

The subjects are dealt into two halves, A and B. Within B, the gossip peers of each set of settings are cross-validated
by subject; the best is what subjects of A may be tested with, and the other way round. So no clip of a tested subject
ever speaks for the settings it is tested with (cross-fitting). Prints the peers' mean UF1, pooled over the folds.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from p2pfl_me.contract import Contract, contract_from_yaml, derive_seed
from p2pfl_me.data.manifest import Clip
from p2pfl_me.evaluate.dealing import deal, with_peers
from p2pfl_me.evaluate.engines import gossip
from p2pfl_me.evaluate.folds import make_split
from p2pfl_me.evaluate.items import read_clips, read_items
from p2pfl_me.evaluate.protocol import Protocol
from p2pfl_me.evaluate.units import peers_left
from p2pfl_me.home import cache_dir, home
from p2pfl_me.learning.metrics import Metrics, confusion_matrix
from p2pfl_me.learning.network import initial_params
from p2pfl_me.learning.trainer import FeatureTrainer, Samples
from p2pfl_me.swarm.console import Console
from p2pfl_me.swarm.sweep import with_classes_of
from p2pfl_me.topology.template import contract_text


def half_of(clips: tuple[Clip, ...], half: int) -> tuple[Clip, ...]:
    """Every second subject of each data set, in random order."""
    random = np.random.default_rng(derive_seed(1, "halves"))
    chosen: set[str] = set()
    for dataset in sorted({clip.dataset for clip in clips}):
        subjects = sorted({clip.subject for clip in clips if clip.dataset == dataset})
        chosen |= {subjects[index] for index in random.permutation(len(subjects))[half::2]}
    return tuple(clip for clip in clips if clip.subject in chosen)


def judge(contract: Contract, data: Path, peers: str, half: int) -> float:
    """Mean over peers of their UF1, by folds within one half of the subjects."""
    torch.set_num_threads(1)
    cache = cache_dir(home())
    clips = half_of(read_clips(contract, data, cache), half)
    items = read_items(contract, clips, Protocol.KFOLD, cache=cache)
    split = make_split(clips, Protocol.KFOLD, folds=5, seed=contract.seed)
    count = len({clip.dataset for clip in clips}) if peers == "dataset" else int(peers)
    agreed = with_peers(contract, count)
    (shards,) = deal(agreed, items, split, peers).values()
    start = initial_params(agreed, cache=cache)
    answers = np.full((count, len(items)), -1)
    for fold in split.folds:
        present = peers_left(fold, shards)
        test = items.part(fold.test)
        samples = [Samples(items.part([i for i in fold.train if shards[i] == peer]), test=test) for peer in present]
        models = gossip(with_peers(agreed, len(present)), samples, start)
        asker = FeatureTrainer(agreed, 0, samples[0], torch.device("cpu"))
        for peer, model in zip(present, models, strict=True):
            found = asker.clip_logits(model, "test")
            assert found is not None
            answers[peer, found.clips] = found.logits.argmax(axis=1)
    scores = []
    for row in answers:
        asked = row >= 0
        scores.append(Metrics(confusion_matrix(items.labels[asked], row[asked], len(contract.model.classes))).uf1)
    return float(np.mean(scores))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--peers", default="dataset")
    parser.add_argument("--try", dest="tried", action="append", required=True, help="Overrides, with blanks between.")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    kind = "ring"
    seeds = range(1, 1 + arguments.seeds)
    with ProcessPoolExecutor(arguments.jobs, mp_context=get_context("forkserver")) as pool:
        futures = {}
        for words in arguments.tried:
            text = contract_text(kind)
            for seed in seeds:
                contract = contract_from_yaml(text, overrides=[*words.split(), f"seed={seed}"])
                contract = with_classes_of(contract, arguments.data, Console(quiet=True))
                for half in (0, 1):
                    ask = partial(judge, contract, arguments.data, arguments.peers, half)
                    futures[words, seed, half] = pool.submit(ask)
        found = {key: future.result() for key, future in futures.items()}
    for half in (0, 1):
        means = {words: np.mean([found[words, seed, half] for seed in seeds]) for words in arguments.tried}
        print(f"validation within half {'AB'[half]}, for testing half {'BA'[half]}")
        for words, mean in sorted(means.items(), key=lambda each: -each[1]):
            print(f"  {mean:.4f}  {words or '(as it is)'}")


if __name__ == "__main__":
    main()

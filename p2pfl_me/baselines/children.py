"""What a launcher's children do before and beside its peers: features for all, and one baseline each."""

from __future__ import annotations

from pathlib import Path

import torch

from p2pfl_me.baselines.train import run_baseline
from p2pfl_me.children import in_the_users_words
from p2pfl_me.contract import Contract
from p2pfl_me.data.preprocess.note import in_words
from p2pfl_me.data.shards import Shards, all_clips
from p2pfl_me.home import cache_dir
from p2pfl_me.learning.samples import read_samples
from p2pfl_me.machine import cores
from p2pfl_me.output import put
from p2pfl_me.progress import FEATURES, IMAGES, showing
from p2pfl_me.run.results import write_baseline


def features_child(
    contract: Contract, shards: Shards, home: Path, weights: Path | None, device: str, tells: bool
) -> None:
    """Fill the feature cache for all shards with all cores, before the peers share them."""
    with in_the_users_words():
        torch.set_num_threads(cores())
        fill_features(contract, shards, home, weights, device, tells=tells)


def fill_features(
    contract: Contract, shards: Shards, home: Path, weights: Path | None, device: str, *, tells: bool
) -> None:
    """The rows of all shards into the cache. `tells`: say what a user should know before trusting the images."""
    with showing(IMAGES, FEATURES) as (preparing, progress):
        notes = read_samples(
            contract,
            all_clips(shards),
            cache=cache_dir(home),
            weights=weights,
            device=device,
            progress=progress,
            preparing=preparing,
        ).noted
    for line in in_words(notes) if tells else ():
        put(f"note: {line}")


def baseline_child(contract: Contract, run: Path, home: Path, weights: Path | None, name: str, shards: Shards) -> None:
    """One baseline on the same shards: baseline-NAME.json."""
    with in_the_users_words():
        torch.set_num_threads(1)
        cache = cache_dir(home)
        write_baseline(run, name, run_baseline(contract, name, shards, cache=cache, weights=weights))

"""The jobs that train a run's baselines, for `Children.run_all`; nothing heavy is imported before a child does one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from p2pfl_me.children import Job
from p2pfl_me.contract import Contract

if TYPE_CHECKING:
    from p2pfl_me.data.shards import Shards

BASELINES = ("isolated", "pooled", "fedavg")
CHILDREN = "p2pfl_me.baselines.children"
"""What the fork server imports for all of them."""


def features_job(
    contract: Contract, shards: Shards, home: Path, weights: Path | None, device: str = "auto", *, tells: bool = True
) -> Job:
    """Fill the cache with the features of all clips, before several children ask for them.

    `tells`: say what a user should know before trusting the images; one of many runs on the same clips is enough.
    """
    return _features, (contract, shards, home, weights, device, tells)


def baseline_jobs(contract: Contract, run: Path, home: Path, weights: Path | None, shards: Shards) -> dict[str, Job]:
    """Each baseline by itself, to run/baseline-NAME.json; `join_baselines` makes one file of them."""
    return {f"baseline {name}": (_baseline, (contract, run, home, weights, name, shards)) for name in BASELINES}


def _features(contract: Contract, shards: Shards, home: Path, weights: Path | None, device: str, tells: bool) -> None:
    from p2pfl_me.baselines.children import features_child

    features_child(contract, shards, home, weights, device, tells)


def _baseline(contract: Contract, run: Path, home: Path, weights: Path | None, name: str, shards: Shards) -> None:
    from p2pfl_me.baselines.children import baseline_child

    baseline_child(contract, run, home, weights, name, shards)

"""What cells share: clips dealt once for every skew and seed, and the baselines that do not depend on the topology."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from p2pfl_me.atomic import write_whole
from p2pfl_me.baselines.jobs import CHILDREN, baseline_jobs, features_job
from p2pfl_me.children import Children
from p2pfl_me.contract import Contract
from p2pfl_me.errors import RunError
from p2pfl_me.files import read_regular, refusing
from p2pfl_me.home import cache_dir
from p2pfl_me.machine import cores
from p2pfl_me.progress import showing
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.run.results import join_baselines
from p2pfl_me.workers import fork_server

if TYPE_CHECKING:
    from p2pfl_me.data.clip import Manifest
    from p2pfl_me.data.shards import Shards


@dataclass(frozen=True, slots=True)
class Dealt:
    """The clips as one way of dealing and one seed give them to the peers; `digest` is the one in a run's manifest."""

    shards: Shards = field(repr=False)
    digest: str


def shared_key(contract: Contract) -> str:
    """Hex digest of all that clips, shards and baselines depend on but the seed."""
    values = contract.model_dump(mode="json")
    sections = {name: values[name] for name in ("model", "training", "data")} | {"peers": contract.peers.count}
    return hashlib.sha256(json.dumps(sections, sort_keys=True).encode()).hexdigest()


def deal_once(contract: Contract, data: Path | None, read: Manifest | None, home: Path, folder: Path) -> Dealt:
    """Deal the clips, which have been `read` from `data`, into folder/shards.

    Baselines that stand there from other clips or another contract are removed.

    Raises
    ------
    DataError
        The clips cannot be used or dealt.
    """
    from p2pfl_me.data.shards import write_shards
    from p2pfl_me.data.synthetic import DRAWN

    with showing(DRAWN) as (drawing,):
        dealt = Dealt(*write_shards(contract, data, cache_dir(home), folder, read=read, drawing=drawing))
    mark = folder / "data.json"
    said = json.dumps({"key": shared_key(contract), "seed": contract.seed, "digest": dealt.digest})
    if not mark.is_file() or read_regular(mark) != said.encode():
        RunFolder(folder).baselines.unlink(missing_ok=True)
        with refusing(RunError, mark, "free some space, or name another folder with --out"):
            write_whole(mark, said)
    return dealt


def prepare(
    contract: Contract, home: Path, weights: Path | None, shards: Shards, module: str, *, tells: bool
) -> Children | None:
    """Fill the cache with what all cells learn from; the children that can go on with it, None where it failed.

    `tells`: say what a user should know before trusting the images. `module`: what children will import that come
    later: one fork server serves them all.
    """
    children = Children(fork_server(CHILDREN, module))
    features = features_job(contract, shards, home, weights, tells=tells)
    return None if children.run_all({"features": features}, _unsaid) else children


def fill_here(contract: Contract, home: Path, weights: Path | None, shards: Shards, *, tells: bool) -> None:
    """The same in this very process, whose cells need all that it imports anyway.

    Raises
    ------
    DataError
        The clips cannot be read.
    """
    from p2pfl_me.baselines.children import fill_features

    fill_features(contract, shards, home, weights, "auto", tells=tells)


def run_baselines(
    contract: Contract, folder: Path, home: Path, weights: Path | None, shards: Shards, module: str, *, tells: bool
) -> None:
    """Train isolated, pooled and with star FedAvg on the shards: folder/baselines.json.

    Parameters
    ----------
    module, tells:
        As for `prepare`.

    Raises
    ------
    RunError
        One of them failed; its own message has been printed.
    """
    children = prepare(contract, home, weights, shards, module, tells=tells)
    jobs = baseline_jobs(contract, folder, home, weights, shards)
    if children is None or children.run_all(jobs, _unsaid, at_once=cores()):
        raise RunError(
            "a baseline could not be trained",
            fix="see its message above, or leave baselines out with --no-baselines",
        )
    join_baselines(folder)


def _unsaid(words: str) -> None:
    """One line says that they are trained."""

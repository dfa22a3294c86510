"""What cells share: clips dealt once for every skew and seed, and the baselines that do not depend on the topology."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import TYPE_CHECKING

from p2pfl_me.contract import Contract
from p2pfl_me.errors import RunError
from p2pfl_me.files import refusing, write_whole
from p2pfl_me.home import cache_dir
from p2pfl_me.machine import cores
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.run.results import join_baselines
from p2pfl_me.swarm.launcher import BASELINES, CHILDREN
from p2pfl_me.workers import fork_server

if TYPE_CHECKING:
    from p2pfl_me.data.shards import Shards

Child = Callable[..., None]


def shared_key(contract: Contract) -> str:
    """Hex digest of all that clips, shards and baselines depend on but the seed."""
    values = contract.model_dump(mode="json")
    sections = {name: values[name] for name in ("model", "training", "data")} | {"peers": contract.peers.count}
    return hashlib.sha256(json.dumps(sections, sort_keys=True).encode()).hexdigest()


def deal_once(contract: Contract, data: Path | None, home: Path, folder: Path) -> str:
    """Deal the clips into folder/shards and give their digest, the one that a run's manifest holds.

    Baselines that stand there from other clips or another contract are removed.

    Raises
    ------
    DataError
        The clips cannot be used or dealt.
    """
    from p2pfl_me.data.shards import write_shards

    _, digest = write_shards(contract, data, cache_dir(home), folder)
    mark = folder / "data.json"
    said = json.dumps({"key": shared_key(contract), "seed": contract.seed, "digest": digest})
    if not mark.is_file() or mark.read_text(encoding="utf-8") != said:
        RunFolder(folder).baselines.unlink(missing_ok=True)
        with refusing(RunError, mark, "free some space, or name another folder with --out"):
            write_whole(mark, said)
    return digest


def run_baselines(contract: Contract, folder: Path, home: Path, weights: Path | None) -> None:
    """Train isolated, pooled and with star FedAvg on the shards in `folder`: folder/baselines.json.

    Raises
    ------
    RunError
        One of them failed; its own message has been printed.
    """
    from p2pfl_me.data.shards import read_shards

    shards = read_shards(contract, folder)
    context = fork_server(CHILDREN)
    here = (contract, folder, home, weights)
    _run_all(context, [(_features, (contract, shards, home, weights, "auto"))])
    _run_all(context, [(_baseline, (*here, name, shards)) for name in BASELINES])
    join_baselines(folder)


def _run_all(context: ForkServerContext, jobs: Sequence[tuple[Child, tuple[object, ...]]]) -> None:
    """As many at once as there are cores; none is left behind, whatever happens here."""
    waiting, running = list(jobs), list[ForkServerProcess]()
    try:
        while waiting or running:
            while waiting and len(running) < cores():
                target, arguments = waiting.pop(0)
                process = context.Process(target=target, args=arguments, daemon=True)
                process.start()
                running.append(process)
            wait([process.sentinel for process in running])
            for process in [each for each in running if each.exitcode is not None]:
                running.remove(process)
                if process.exitcode:
                    raise RunError(
                        f"a baseline ended with exit code {process.exitcode}",
                        fix="see its message above, or leave baselines out with --no-baselines",
                    )
    finally:
        for process in running:
            process.kill()
            process.join()


def _features(contract: Contract, shards: Shards, home: Path, weights: Path | None, device: str) -> None:
    from p2pfl_me.swarm.children import features_child

    features_child(contract, shards, home, weights, device)


def _baseline(contract: Contract, run: Path, home: Path, weights: Path | None, name: str, shards: Shards) -> None:
    from p2pfl_me.swarm.children import baseline_child

    baseline_child(contract, run, home, weights, name, shards)

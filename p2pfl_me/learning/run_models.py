"""The models that a run folder holds: whose they are, their average, and what must be known of the run.

Nothing is believed of a checkpoint but what its contract, its peer and its checksum bear out.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError

from p2pfl_me.atomic import undrafted
from p2pfl_me.contract import Contract, digest, load_contract
from p2pfl_me.errors import NetworkError, RunError, WeightsError
from p2pfl_me.learning.origin import network_as_told
from p2pfl_me.learning.own import with_network
from p2pfl_me.message import Vector
from p2pfl_me.networks.code import Given
from p2pfl_me.networks.kinds.own import Own
from p2pfl_me.networks.layout import Layout
from p2pfl_me.run.events import Start
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.run.manifest import read_manifest_file
from p2pfl_me.run.reading import read_log
from p2pfl_me.tensors import Passphrase, asked_once, checksum, open_tensors, tensor
from p2pfl_me.widths import holders

UNKNOWN = "what it learned from is not known: no manifest.json in its run folder says it, nor a peer's log"


def run_contract(run: Path, network: Given | None = None) -> Contract:
    """The contract of a run folder, with the code of the network that it states.

    Raises
    ------
    RunError
        Not the folder of one run.
    """
    path = RunFolder(run).contract
    if not path.is_file():
        several = [each.parent.name for each in undrafted(run.glob("*/contract.yaml"), run)] if run.is_dir() else []
        raise RunError(
            "holds several runs" if several else "is not a run folder: it has no contract.yaml",
            where=str(run),
            fix=f"name one of them, like {run / several[0]}" if several else "name the folder that --out named",
        )
    contract = load_contract(path)
    if network is None:
        return contract
    if not isinstance(contract.model.backbone, Own):
        raise NetworkError(
            f"the run's network is {contract.model.backbone}, not one of your own",
            where=str(path),
            fix="leave --network out",
        )
    return with_network(contract, network)


def run_warnings(run: Path) -> tuple[str, ...]:
    """What must stand beside a run's model wherever it goes: by its manifest, or, where a peer ran by itself and there
    is none, by its log. Of a run that says nothing of itself, that it does not."""
    folder = RunFolder(run)
    if manifest := read_manifest_file(folder):
        return manifest.said_warnings
    logs = [] if os.path.lexists(folder.manifest) else [read_log(folder, peer).events for peer in folder.log.all()]
    starts = [line.event for log in logs for line in log if isinstance(line.event, Start)]
    return tuple(dict.fromkeys(words for start in starts for words in start.data.warnings)) if starts else (UNKNOWN,)


def run_network(run: Path, contract: Contract) -> str:
    """What the network of a run's model was before its peers trained it, in the words of the run's own pages."""
    folder = RunFolder(run)
    if manifest := read_manifest_file(folder):
        return network_as_told(contract, (manifest.network,), of_vectors=manifest.clips.vectors_alone)
    starts = (line.event for peer in folder.log.all() for line in read_log(folder, peer).events)
    return network_as_told(contract, (each.data.network for each in starts if isinstance(each, Start)))


def whose(run: Path, contract: Contract, peer: int | None = None) -> str:
    """Whose model `final_params` gives, in words: of peers that have left none there is nothing in an average."""
    there, count = sorted(_checkpoints(run, contract.peers.count, peer)), contract.peers.count
    if len(there) == 1:
        return f"peer {there[0]}"
    return "average of the peers" if len(there) == count else f"average of {len(there)} of {count} peers"


def final_params(run: Path, contract: Contract, peer: int | None = None) -> Vector:
    """One peer's last model, or the average of all, each value over those that hold it: float32 (P,).

    Raises
    ------
    RunError
        There is no such checkpoint.
    WeightsError
        A checkpoint is damaged, another peer's or was written under another contract.
    """
    layout = contract.model.layout
    paths = _checkpoints(run, contract.peers.count, peer)
    if not paths:
        which = "peers have" if peer is None else f"peer {peer} has"
        raise RunError(f"{which} left no checkpoint", where=str(run), fix="let the run finish a round, or name another")
    total, asked = np.zeros(layout.size, dtype=np.float64), asked_once()
    for each, path in paths.items():
        total += _params(path, each, contract, layout, asked)
    return (total / holders(layout.dimensions, map(contract.peers.width, paths))).astype(np.float32)


def _checkpoints(run: Path, count: int, peer: int | None) -> Mapping[int, Path]:
    if peer is not None and not 0 <= peer < count:
        raise RunError(f"there is no peer {peer}", where=str(run), fix=f"choose one from 0 to {count - 1}")
    wanted = range(count) if peer is None else (peer,)
    paths = {each: RunFolder(run).checkpoint(each) for each in wanted}
    return {each: path for each, path in paths.items() if os.path.lexists(path)}


def _params(path: Path, peer: int, contract: Contract, layout: Layout, passphrase: Passphrase) -> Vector:
    try:
        with open_tensors(path, passphrase) as file:
            said = file.metadata() or {}
            params: Vector = tensor(file, "params")
            kept = [tensor(file, name) for name in file.keys()] if "checksum" in said else []  # noqa: SIM118
    except (OSError, SafetensorError, ValueError) as error:
        raise WeightsError(
            f"not a checkpoint of p2pme: {error}", where=str(path), fix="remove it, or name another run"
        ) from error
    if (
        said.get("contract_digest") != digest(contract).hex()
        or params.dtype != np.float32
        or params.shape != (layout.size,)
    ):
        raise WeightsError(
            "was written under another contract than the folder's contract.yaml", where=str(path), fix="remove it"
        )
    if said.get("peer", str(peer)) != str(peer):
        raise WeightsError(f"is the model of peer {said['peer']}", where=str(path), fix=f"put back that of peer {peer}")
    if said.get("checksum", str(checksum(kept))) != str(checksum(kept)):
        raise WeightsError(
            "was not written to its end, or changed since", where=str(path), fix="remove it, or name another run"
        )
    if not np.isfinite(params).all():
        raise WeightsError("holds NaN or infinite parameters", where=str(path), fix="remove it, or name another run")
    return params

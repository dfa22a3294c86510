"""What runs in the swarm's child processes, all forked from one process that has imported torch once."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from p2pfl_me.adversary import Board, Lies
from p2pfl_me.contract import Contract
from p2pfl_me.data.preprocess.note import in_words
from p2pfl_me.data.shards import Shards, all_clips
from p2pfl_me.errors import P2pmeError
from p2pfl_me.home import cache_dir
from p2pfl_me.learning.samples import read_samples
from p2pfl_me.machine import cores
from p2pfl_me.output import put
from p2pfl_me.peer.average import score_average
from p2pfl_me.peer.process import run_peer
from p2pfl_me.peer.settings import PeerSettings
from p2pfl_me.progress import showing
from p2pfl_me.run.results import write_baseline
from p2pfl_me.swarm.baselines import run_baseline


def peer_child(settings: PeerSettings) -> None:
    """One peer, exactly as `p2pme peer` runs it."""
    code = run_peer(settings)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def liar_child(settings: PeerSettings, lies: Lies) -> None:
    """A peer of the same swarm that lies; what it knows of the others is what it is sent."""
    contract = settings.contract
    deceit = lies.deceit(contract, Board(lies.liars(contract)))
    code = run_peer(settings, deceit)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def features_child(contract: Contract, shards: Shards, home: Path, weights: Path | None, device: str) -> None:
    """Fill the feature cache for all shards with all cores, before the peers share them."""
    with _in_the_users_words():
        torch.set_num_threads(cores())
        with showing("images of clips", "features of samples") as (preparing, progress):
            _, notes = read_samples(
                contract,
                all_clips(shards),
                cache=cache_dir(home),
                weights=weights,
                device=device,
                progress=progress,
                preparing=preparing,
            )
        for line in in_words(notes):
            put(f"note: {line}")


def average_child(
    contract: Contract, run: Path, home: Path, weights: Path | None, peers: Sequence[int], shards: Shards
) -> None:
    """Score the average of the peers' final models: average.json."""
    with _in_the_users_words():
        torch.set_num_threads(1)
        score_average(contract, run, home, weights, peers, shards)


def baseline_child(contract: Contract, run: Path, home: Path, weights: Path | None, name: str, shards: Shards) -> None:
    """One baseline on the same shards: baseline-NAME.json."""
    with _in_the_users_words():
        torch.set_num_threads(1)
        cache = cache_dir(home)
        write_baseline(run, name, run_baseline(contract, name, shards, cache=cache, weights=weights))


class _in_the_users_words:
    """A child's error is printed as the user should read it; its exit code says the rest."""

    def __enter__(self) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the launcher, which ends its children
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, P2pmeError):
            put(f"Error: {error}", sys.stderr)
            os._exit(error.exit_code)

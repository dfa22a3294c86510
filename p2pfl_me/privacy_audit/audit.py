"""An audit: one contract or several, played on the same clips, and what each neighbour would learn under each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from p2pfl_me.contract import Contract, dump_contract
from p2pfl_me.contract.load import contract_from_yaml, load_contract
from p2pfl_me.errors import RunError
from p2pfl_me.home import cache_dir
from p2pfl_me.learning.network import initial_params
from p2pfl_me.learning.origin import network_words
from p2pfl_me.learning.protections import round_release
from p2pfl_me.learning.trainer import Samples
from p2pfl_me.peer.settings import PeerSettings
from p2pfl_me.peer.shard import load_shard
from p2pfl_me.privacy.accounting import Release, of_group
from p2pfl_me.privacy.budget import Unit
from p2pfl_me.privacy.membership import (
    Attack,
    attack_of,
    auc_interval,
    epsilon_bound,
    likelihood_ratios,
    lucky_advantage,
)
from p2pfl_me.privacy_audit.games import Played, board_of, play
from p2pfl_me.privacy_audit.inversion import Inversion, invert
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.run.manifest import read_manifest_file

OWN = "the run's contract"
FEWEST = 4
"""Games below which LiRA has nothing to compare with."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a neighbour learns of one unit under one contract.

    `threshold` goes by confidence alone, `lira` by likelihood ratios with the other games as shadow models; in 95 % of
    draws of the units its AUC lies in `interval`, and who learns nothing has
    an advantage below `luck`; None where there is one unit. `at_least`:
    epsilon, with 95 % confidence, by one game; `promised`: what the contract allows, None where it promises nothing.
    `worst`: the peer whose units are told apart best, and by how much.
    """

    name: str
    unit: Unit
    units: int
    threshold: Attack
    lira: Attack
    at_least: float
    promised: float | None
    worst: tuple[int, float]
    interval: tuple[float, float] | None = None
    luck: float | None = None


@dataclass(frozen=True, slots=True)
class Audit:
    """All findings of one run's clips; `warnings` says why they are no measure of real ones, as drawn faces, and
    `network` where the weights come from that nobody trained."""

    contract: Contract
    games: int
    clips: int
    findings: tuple[Finding, ...]
    inversions: tuple[Inversion, ...] = ()
    warnings: tuple[str, ...] = ()
    network: str = ""


def audit_run(
    run: Path,
    home: Path,
    *,
    games: int,
    units: Sequence[Unit],
    beside: Sequence[str] = (),
    rounds: int | None = None,
    weights: Path | None = None,
    inversion: bool = True,
    tell: Callable[[str], None] = lambda words: None,
) -> Audit:
    """Audit a run folder whose shares lie in it.

    Parameters
    ----------
    beside:
        Other contracts to set beside the run's own: overrides of it, several in one text with `;` between them.
    rounds:
        Play so many rounds instead of the contract's.
    inversion:
        Also try to put inputs together, which takes longer than the games where a network is trained whole.

    Raises
    ------
    RunError
        No run, or one of laboratories whose clips lie elsewhere.
    P2pmeError
        A contract beside it cannot be, or its peers cannot be trained.
    """
    folder = RunFolder(run)
    if not folder.is_run():
        raise RunError(
            "not a run folder: it holds no contract.yaml", where=str(run), fix="name the DIR of `p2pme swarm --out DIR`"
        )
    fewer = (f"training.rounds={rounds}",) if rounds else ()
    contract = load_contract(folder.contract, fewer)
    shares = folder.shard.all()
    if set(shares) != set(range(contract.peers.count)):
        raise RunError(
            "the clips of its peers are not here: shares are kept by `p2pme swarm` alone",
            where=str(folder.shards),
            fix="rehearse first: p2pme swarm CONTRACT --data YOUR.csv --out DIR, then audit DIR",
        )
    samples = [
        load_shard(PeerSettings(peer, contract, run, home, folder.shard(peer), weights=weights)).samples
        for peer in range(contract.peers.count)
    ]
    start = initial_params(contract, cache=cache_dir(home), weights=weights)
    text = dump_contract(contract)
    named = [(OWN, contract)]
    named += [
        (each, contract_from_yaml(text, str(folder.contract), [one.strip() for one in each.split(";")]))
        for each in beside
    ]
    boards = [(unit, board_of(samples, unit)) for unit in units]  # one that cannot be is refused before any game
    findings, inversions = [], []
    for name, each in named:
        for unit, board in boards:
            tell(f"{name}, one {unit}: {games} games")
            played = play(each, board, start, games)
            findings.append(_finding(name, each, unit, played, samples))
            if not inversion:
                continue
            tell(f"{name}, one {unit}: inversion")
            if found := invert(name, each, board, unit, start):
                inversions.append(found)
    clips = sum(int(own.train.clips.max()) + 1 for own in samples)
    manifest = read_manifest_file(folder)
    warnings = manifest.said_warnings if manifest else ()
    network = (manifest.network if manifest else "") or network_words(contract, weights)
    return Audit(contract, games, clips, tuple(findings), tuple(inversions), tuple(warnings), network)


def _finding(name: str, contract: Contract, unit: Unit, played: Played, samples: Sequence[Samples]) -> Finding:
    ratios = likelihood_ratios(played.scores, played.inside)
    budget = contract.privacy.budget
    by_peer = [attack_of(ratios[:, mine], played.inside[:, mine]).auc for mine in _each(played)]
    worst, several = int(np.argmax(by_peer)), played.scores.shape[1] > 1
    return Finding(
        name,
        unit,
        played.scores.shape[1],
        attack_of(played.scores, played.inside),
        attack_of(ratios, played.inside),
        epsilon_bound(ratios[0], played.inside[0], budget.delta if budget else 0.0),
        promised(contract, unit, samples),
        (worst, by_peer[worst]),
        auc_interval(ratios, played.inside, contract.seed) if several else None,
        lucky_advantage(played.scores, played.inside, contract.seed) if several else None,
    )


def _each(played: Played) -> list[np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    return [played.peers == peer for peer in range(int(played.peers.max()) + 1)]


def promised(contract: Contract, unit: Unit, samples: Sequence[Samples]) -> float | None:
    """Epsilon of one unit by all rounds of a contract at its delta; None where nothing bounds it.

    Where the contract hides clips, one subject's epsilon is that of all clips of who has most of them at any peer.
    """
    privacy = contract.privacy
    if not privacy.spends or privacy.budget is None:
        return None
    if privacy.unit is not Unit.CLIP or unit is Unit.CLIP:  # who hides a subject or all data hides each clip, too
        return privacy.budget.epsilon
    largest = [(_most_clips(own), len(own.train)) for own in samples]
    clips, count = max(largest, key=lambda each: each[0] / each[1])
    release = round_release(contract, count)
    whole = Release(release.noise, release.rate, release.steps * contract.training.rounds)
    return of_group(whole, clips, privacy.budget.delta)


def _most_clips(own: Samples) -> int:
    part = own.train
    assert part.subjects is not None
    pairs = np.unique(np.stack([part.subjects, part.clips]), axis=1)
    return int(np.bincount(pairs[0]).max())

"""What a peer's model was before its run: drawn from a seed, or one that another run trained (`--from`)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from p2pfl_me.counting import many
from p2pfl_me.data.clip import Clip
from p2pfl_me.data.trained_on import TrainedOn, learned_in, seen_of
from p2pfl_me.errors import DataError
from p2pfl_me.files import open_regular
from p2pfl_me.learning.origin import BEGAN
from p2pfl_me.peer.checkpoint import read_model
from p2pfl_me.peer.own_clips import last_start
from p2pfl_me.peer.settings import PeerSettings
from p2pfl_me.run.events import Data

UNKNOWN = "of unknown origin: no list of the clips that it was trained on lies beside it"


@dataclass(frozen=True)
class Begun:
    """The model a peer began from, in words, and which clips that are scored it has seen; both may be empty."""

    words: str = ""
    seen: str = ""


def begun_from(settings: PeerSettings, scored: Sequence[Clip]) -> Begun:
    """What there is to say of `--from`; after the lists of shards beside the model, which a local swarm leaves.

    Raises
    ------
    WeightsError
        It is no model.
    """
    if settings.model is None:
        return Begun()
    with open_regular(settings.model, None) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    rounds, record = read_model(settings.model).completed, _record(settings)
    origin = f"trained on {record.words}" if record else UNKNOWN
    words = f"{settings.model.name}, sha256 {digest}, another run's model after {many(rounds, 'round')}, {origin}"
    return Begun(words, seen_of(record, scored).words("scored clips") if record and scored else "")


def as_begun(settings: PeerSettings, now: Data) -> Data:
    """Of a life that goes on: what the one before it said of the model that it began from."""
    last = last_start(settings.run, settings.peer)
    if last is None or BEGAN not in last.data.network:
        return now
    return replace(now, network=last.data.network, seen=last.data.seen)


def _record(settings: PeerSettings) -> TrainedOn | None:
    assert settings.model, "asked for where there is one"
    try:
        return learned_in(settings.model.parent)
    except DataError:  # its clips are elsewhere by now
        return None

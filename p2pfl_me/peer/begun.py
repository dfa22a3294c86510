"""What a peer's model was before its run: drawn from a seed, or one that another run trained (`--from`)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

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

GONE = "which cannot be read by now, of unknown origin"
UNKNOWN = "of unknown origin: no list of the clips that it was trained on lies beside it"


@dataclass(frozen=True)
class Begun:
    """The model a peer began from, in words, and which clips that are scored it has seen; both may be empty."""

    words: str = ""
    seen: str = ""


def begun_from(settings: PeerSettings, scored: Sequence[Clip]) -> Begun:
    """What there is to say of `--from`; after the lists of shards beside the model, which a local swarm leaves. Nothing
    of a life that goes on, whatever its command names: it began long ago (`as_begun`).

    Raises
    ------
    WeightsError
        It is no model.
    """
    if settings.model is None or (settings.resume and last_start(settings.run, settings.peer)):
        return Begun()
    digest = _digest(settings.model)
    if digest is None and settings.resume:
        return Begun(f"{settings.model.name}, {GONE}")
    rounds, record = read_model(settings.model).completed, _record(settings.model)
    origin = f"trained on {record.words}" if record else UNKNOWN
    words = f"{settings.model.name}, sha256 {digest}, another run's model after {many(rounds, 'round')}, {origin}"
    return Begun(words, _seen(record, scored))


def as_begun(settings: PeerSettings, now: Data, scored: Sequence[Clip]) -> Data:
    """Of a life that goes on: what the one before it said of the model that it began from, and that another model which
    the command names by now has no part in it. The clips may be others: those are compared, too."""
    last = last_start(settings.run, settings.peer)
    if last is None:
        return now
    digest = _digest(settings.model) if settings.model else None
    same = digest is not None and digest in last.data.network
    network = last.data.network if BEGAN in last.data.network else now.network
    seen = [last.data.seen if BEGAN in last.data.network else "", now.seen]
    if same and settings.model:
        seen.append(_seen(_record(settings.model), scored))
    elif settings.model and (BEGAN not in network or digest is not None):
        said = f" {settings.model.name}, named when it went on, has no part in it."
        network += "" if said in network else said
    told = (words for each in seen if each for words in each.split("; "))
    return replace(now, network=network, seen="; ".join(dict.fromkeys(told)))


def _digest(model: Path) -> str | None:
    """Of a file's bytes; None where there is no file any more."""
    try:
        with open_regular(model, None) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _seen(record: TrainedOn | None, scored: Sequence[Clip]) -> str:
    return seen_of(record, scored).words("scored clips") if record and scored else ""


def _record(model: Path) -> TrainedOn | None:
    try:
        return learned_in(model.parent)
    except DataError:  # its clips are elsewhere by now
        return None

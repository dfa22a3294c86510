"""A peer's shard: the samples that it trains on, and what may be said of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from p2pfl_me.data.clip import SPLITS, Clip
from p2pfl_me.data.preprocess.note import counts
from p2pfl_me.data.preprocess.recipe import recipe_of
from p2pfl_me.data.source import peer_clips
from p2pfl_me.data.trained_on import read_kept_trained_on, seen_of
from p2pfl_me.errors import DataError
from p2pfl_me.home import cache_dir
from p2pfl_me.learning.origin import words_of_clips
from p2pfl_me.learning.samples import read_samples
from p2pfl_me.learning.trainer import Samples
from p2pfl_me.peer.begun import as_begun, begun_from
from p2pfl_me.peer.own_clips import UNMARKED, OwnClips, mark, summary_of
from p2pfl_me.peer.settings import PeerSettings
from p2pfl_me.progress import Progress
from p2pfl_me.run.events import Data


@dataclass(frozen=True, eq=False)
class Shard:
    """One peer's samples, what the log may say about them (counts, no names), and by what they are known again."""

    samples: Samples = field(repr=False)
    summary: Data
    marks: OwnClips = field(default=UNMARKED, repr=False)
    """Of a shard with which a later life may go on."""


def load_shard(
    settings: PeerSettings,
    *,
    drawing: Progress | None = None,
    preparing: Progress | None = None,
    progress: Progress | None = None,
) -> Shard:
    """Read what `settings` name, and nothing of any other peer's.

    Parameters
    ----------
    drawing, preparing, progress:
        Called with (done, total) of the subjects that had to be drawn, the clips whose images had to be made, and the
        samples whose features had to be computed.

    Raises
    ------
    DataError
        Unusable data, or no clips to train on.
    WeightsError
        What the weights file says of itself cannot be read.
    """
    contract = settings.contract
    cache = cache_dir(settings.home)
    clips = settings.clips
    if clips is None:
        clips = peer_clips(contract, settings.peer, settings.data, settings.test, cache, settings.rules, drawing)
    if not any(clip.split == "train" for clip in clips):
        raise DataError(
            f"peer {settings.peer} has no clips to train on",
            where=str(settings.data or "the built-in clips"),
            fix="give it some, or leave it out of the contract",
        )
    read = read_samples(
        contract,
        clips,
        cache=cache,
        weights=settings.weights,
        device=settings.device,
        progress=progress,
        preparing=preparing,
    )
    summary = replace(summary_of(clips), sources=counts(read.noted))
    if settings.clips is None:  # of clips that were dealt, the dealer has told
        begun = begun_from(settings, _scored(clips))
        network = words_of_clips(contract, settings.weights, cache, clips, begun.words)
        seen = "; ".join(filter(None, (seen_words(settings, clips), begun.seen)))
        summary = replace(summary, seen=seen, network=network)
        summary = as_begun(settings, summary, _scored(clips)) if settings.resume else summary
    dealt = [clip for clip in clips if clip.split in SPLITS]
    return Shard(read.samples, summary, mark(dealt, read.contents, str(recipe_of(contract.model)), settings.home))


def seen_words(settings: PeerSettings, clips: Sequence[Clip]) -> str:
    """Which of a peer's own clips that are scored its weights file was trained on, in words."""
    record = read_kept_trained_on(settings.contract.model.weights, settings.weights, cache_dir(settings.home))
    scored = _scored(clips)
    return seen_of(record, scored).words("scored clips") if record and scored else ""


def _scored(clips: Sequence[Clip]) -> list[Clip]:
    return [clip for clip in clips if clip.split != "train"]

"""Where the weights come from that nobody trains here, in words for pages and run folders. Without torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from safetensors import SafetensorError, safe_open

from p2pfl_me.contract import Contract
from p2pfl_me.data.clip import Clip
from p2pfl_me.data.shards import Shards, all_clips
from p2pfl_me.data.trained_on import TRAINED_ON, holds_tensors, kept_trained_on, read_kept_trained_on
from p2pfl_me.data.vectors import is_vectors
from p2pfl_me.files import require_regular
from p2pfl_me.networks import Frozen
from p2pfl_me.networks.kinds.own import Own
from p2pfl_me.run.manifest import ManifestFile

BEGAN = "began from"
CODE_UNKNOWN = "of unknown origin: code may load weights that were trained before"


def network_words(
    contract: Contract,
    weights: Path | None = None,
    seeds: Sequence[int] = (),
    *,
    of_vectors: bool = False,
    begun: str = "",
) -> str:
    """`vgg16, frozen layers: random, drawn from seed 1, never trained.`

    Parameters
    ----------
    weights:
        The user's file, where there is one; without it nothing is known of what it was trained on.
    seeds:
        Those of all runs; by default the contract's.
    of_vectors:
        Whether all clips are feature vectors, which frozen layers of somebody else have made.
    begun:
        The model of another run that this one began from, in words, if it did.
    """
    network = contract.model.backbone
    if not begun:
        return _without_run(contract, weights, seeds, of_vectors)
    if not isinstance(network, Own | Frozen):
        return f"{network}, trained whole: it {BEGAN} {begun}."
    return f"{_without_run(contract, weights, seeds, of_vectors)} What is trained here {BEGAN} {begun}."


def _without_run(contract: Contract, weights: Path | None, seeds: Sequence[int], of_vectors: bool) -> str:
    network, source = contract.model.backbone, contract.model.weights
    drawn = seeds or (contract.seed,)
    of = f"seed{'s' if len(drawn) > 1 else ''} {', '.join(map(str, drawn))}"
    if isinstance(network, Own):
        still = f", with frozen layers of sha256 {network.frozen_sha256}" if network.frozen_sha256 else ""
        code = f"{network.called}, the user's own code{still}"
        return f"{code}: begun from what the code builds with {of}, {CODE_UNKNOWN}."
    if not isinstance(network, Frozen):
        return f"{network}, trained whole from a model drawn from {of}; nothing was trained before."
    if of_vectors:
        return f"{network}, its trained layers alone, on feature vectors as given: what made them is not known here."
    if source.source == "seed":
        return f"{network}, frozen layers: random, drawn from {of}, never trained."
    if source.source == "imagenet":
        return f"{network}, frozen layers: trained on ImageNet-1k ({network.weights_of})."
    known = trained_on(weights)
    origin = f"trained on {known}" if known else "of unknown origin: the file does not say what it was trained on"
    return f"{network}, frozen layers: file, sha256 {source.sha256}, {origin}."


def network_as_told(contract: Contract, told: Iterable[str], *, of_vectors: bool = False) -> str:
    """What a run's folder tells of its network, which is the same from all who tell it; of an older one, which tells
    nothing, what its contract knows."""
    if said := " ".join(dict.fromkeys(filter(None, told))):
        return said
    source = contract.model.weights
    if isinstance(contract.model.backbone, Frozen) and source.source == "file" and not of_vectors:
        what = "what it was trained on was not recorded in this folder"
        return f"{contract.model.backbone}, frozen layers: file, sha256 {source.sha256}; {what}."
    return network_words(contract, of_vectors=of_vectors)


def tell_of_weights(
    manifest: ManifestFile, contract: Contract, weights: Path | None, cache: Path, shards: Shards
) -> str:
    """Write into a run's manifest where the weights come from, and the warning where they have seen clips that are
    scored, which is given back.

    Raises
    ------
    WeightsError
        What the file says of itself cannot be read.
    """
    manifest.network(words_of_clips(contract, weights, cache, all_clips(shards)))
    words = shards.seen_by(read_kept_trained_on(contract.model.weights, weights, cache))
    manifest.warn(words)
    return words


def words_of_clips(
    contract: Contract, weights: Path | None, cache: Path, clips: Iterable[Clip], begun: str = ""
) -> str:
    """`network_words` of a run on these clips, after the file itself or what an earlier run kept of it."""
    kept = kept_trained_on(contract.model.weights, cache)
    known = weights if weights or contract.model.weights.source != "file" or not kept.exists() else kept
    return network_words(contract, known, of_vectors=all(is_vectors(clip.path) for clip in clips), begun=begun)


def trained_on(weights: Path | None) -> str | None:
    """What a weights file says of itself; None where it says nothing."""
    if weights is None or not holds_tensors(weights):
        return None
    try:
        require_regular(weights)
        with safe_open(weights, framework="numpy") as file:
            said = (file.metadata() or {}).get(TRAINED_ON, "")
    except (SafetensorError, OSError):
        return None
    return " ".join(str(said).split()) or None

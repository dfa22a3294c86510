"""How a run on this machine comes by its clips: dealt, written, counted in the manifest, and their leaks told."""

from __future__ import annotations

from p2pfl_me.console.lines import Console
from p2pfl_me.contract import Contract
from p2pfl_me.data.shards import Shards, write_shards
from p2pfl_me.data.synthetic import DRAWN
from p2pfl_me.home import cache_dir
from p2pfl_me.learning.origin import tell_of_weights
from p2pfl_me.options import RunOptions
from p2pfl_me.progress import showing
from p2pfl_me.run.manifest import ManifestFile


def deal_clips(contract: Contract, options: RunOptions, manifest: ManifestFile, console: Console) -> Shards:
    """The shards of all peers.

    Raises
    ------
    ContractError, DataError, RunError
        They cannot be dealt or written.
    """
    cache = cache_dir(options.home)
    with showing(DRAWN) as (drawing,):
        shards, digest = write_shards(
            contract, options.data, cache, options.run, options.rules, options.read, drawing=drawing
        )
    manifest.data(counts := shards.counts(contract, options.data, digest))
    if words := counts.untested_words:
        console.say(f"note: {words}")
    manifest.warn(shards.warning())
    if words := tell_of_weights(manifest, contract, options.weights, cache, shards):
        console.say(f"warning: {words}")
    return shards

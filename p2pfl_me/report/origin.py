"""Where the weights of runs come from that nobody trained in them, in the words that stand on every page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from p2pfl_me.learning.origin import network_as_told, network_words
from p2pfl_me.report.run import Run


def network_of(run: Run) -> str:
    """As the run folder says, or the log of a lab's own peer; an older one tells by its contract what that knows."""
    return network_as_told(run.contract, (run.network,), of_vectors=run.manifest.clips.vectors_alone)


def networks_of(runs: Sequence[Run]) -> tuple[str, ...]:
    """Of several runs each network once, with the seeds of all runs that have it."""
    alike: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        file = run.contract.model.weights.source == "file"
        alike[network_of(run) if file else _of_seeds(run, (0,))].append(run)
    return tuple(
        words if own[0].contract.model.weights.source == "file" else _of_seeds(own[0], sorted({r.seed for r in own}))
        for words, own in alike.items()
    )


def _of_seeds(run: Run, seeds: Sequence[int]) -> str:
    return network_words(run.contract, seeds=seeds, of_vectors=run.manifest.clips.vectors_alone)

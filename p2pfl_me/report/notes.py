"""What a reader must know before believing the numbers. Each note is a plain sentence or two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from p2pfl_me.report.events import PeerLog
from p2pfl_me.report.failures import lasting
from p2pfl_me.report.groups import methods_of
from p2pfl_me.report.results import final_confusions, part_of
from p2pfl_me.report.run import Run
from p2pfl_me.run.events import Reason
from p2pfl_me.topology.pairs import named

FEW_CLIPS = 500
COMPARED_NOTES = (
    "The target score is taken from these runs' own test clips. It is a mark to measure cost at, not a choice of a "
    "model.",
    "Scores by round are the mean peer's, because the average of the models is tested after the last round only; it "
    "usually scores a little higher.",
)


def honesty_notes(runs: Sequence[Run]) -> tuple[str, ...]:
    """Notes on the runs of a report, each once, in the order of weight."""
    notes = dict.fromkeys(note for run in runs for note in _of_run(run))
    return (*liar_notes(runs), *notes, *_of_few_clips(runs), *_of_all(runs))


def liar_notes(runs: Sequence[Run]) -> tuple[str, ...]:
    """Who lied by which attack, seed by seed: an attack a note."""
    lied: dict[tuple[str, int], dict[int, tuple[int, ...]]] = {}
    for run in runs:
        if run.manifest.liars:
            lied.setdefault((run.manifest.attack, len(run.manifest.liars)), {})[run.seed] = run.manifest.liars
    return tuple(
        f"{'One peer' if count == 1 else f'{count} peers'} lied, to see how the others stand it (attack {attack}): "
        + "; ".join(f"{named(liars)} with seed {seed}" for seed, liars in sorted(by_seed.items()))
        + ". The figures of such runs are of their honest peers alone."
        for (attack, count), by_seed in lied.items()
    )


def _of_run(run: Run) -> Iterator[str]:
    contract, manifest, part = run.contract, run.manifest, part_of(run)
    if not any(log.rounds for log in run.peers):
        yield "No peer came to the end of a round, so this run says nothing about recognition."
    elif part is None:
        yield "No peer had clips of other subjects to be tested on, so this run says nothing about recognition."
    if part == "validation":
        yield ("There was no test set: the scores are on validation clips, which the stop rule may have looked at.")
    if manifest.clips.source == "synthetic":
        yield (
            "The clips are drawn faces, made from the seed. They show that the peers learn together; they say "
            "nothing about how well real micro-expressions are recognised."
        )
    elif "drawn faces" in run.warnings:
        yield (
            "Drawn faces were never alive: the scores show that the peers learn together, and nothing about how well "
            "real micro-expressions are recognised."
        )
    if manifest.clips.untested:
        yield f"N{manifest.clips.untested_words[1:]}."
    if run.network and contract.model.weights.source == "file":
        yield f"The network: {run.network}"
    random = contract.model.backbone.frozen and contract.model.weights.source == "seed"
    if random and not manifest.clips.vectors_alone:
        yield (
            "The frozen backbone is random: drawn from the contract's seed so that everything runs offline. "
            "A pretrained backbone (model.weights.source: imagenet, or file) usually recognises more."
        )
    if lasting(run) > 0 and _cut_short(run):
        yield "The run was cut short: some peers ended before the others, and their last scores count as final."
    for log in filter(_has_left, run.peers):
        yield f"Peer {log.peer} left after round {log.last_round}, as its members had agreed; its last scores count."
    yield from _of_test_set(run, part)


def _cut_short(run: Run) -> bool:
    staying = [log for log in run.peers if not _has_left(log)]
    return len({log.last_round for log in staying}) > 1 or any(log.finish is None for log in staying)


def _has_left(log: PeerLog) -> bool:
    return log.finish is not None and log.finish.reason is Reason.LEFT


def _of_test_set(run: Run, part: str | None) -> Iterator[str]:
    confusions = final_confusions(run)
    if not confusions:
        return
    supports = [matrix.sum(axis=1) for matrix in confusions.values() if matrix.size]
    sizes = sorted({int(support.sum()) for support in supports})
    if len({tuple(support) for support in supports}) > 1:
        yield (
            f"The peers were scored on different clips ({sizes[0]} to {sizes[-1]} each), so differences "
            "between peers are partly differences between their clips."
        )
    classes = run.contract.model.classes
    absent = [
        name
        for index, name in enumerate(classes)
        if all(len(support) == len(classes) and support[index] == 0 for support in supports)
    ]
    if absent:
        yield (
            f"No {part} clip shows {', '.join(absent)}. UF1 and UAR are means over all classes of the label map, "
            "so they count these classes as 0."
        )


def _of_few_clips(runs: Sequence[Run]) -> Iterator[str]:
    """Seeds split the subjects in other ways, so runs of one set-up may rest on different numbers of clips."""
    sizes: dict[str | None, set[int]] = {}
    for run in runs:
        of_run = {int(matrix.sum()) for matrix in final_confusions(run).values() if matrix.size}
        if len(of_run) == 1:  # of others, `_of_test_set` tells that their peers differ
            sizes.setdefault(part_of(run), set()).update(of_run)
    for part, found in sizes.items():
        if min(found) < FEW_CLIPS:
            count = f"{min(found)} to {max(found)}" if len(found) > 1 else f"{min(found)}"
            yield (
                f"The scores rest on {count} {part} clips. "
                "With so few, a difference in UF1 under about 0.05 within one seed means nothing."
            )


def _of_all(runs: Sequence[Run]) -> Iterator[str]:
    # Of a run without test clips the baselines have no scores, even where they were run.
    if not all(run.baselines for run in runs if part_of(run)):
        every = " for every run" if len(runs) > 1 else ""
        yield (
            f"Isolated, pooled and FedAvg baselines were not run{every} here; without them a score does not show what "
            "gossip is worth. p2pme swarm --baselines runs them, and p2pme compare without --no-baselines."
        )
    if any(method.repeat > 1 for method in methods_of(runs)):
        yield (
            "A seed was run more than once. A repeat stands beside the first run as a set-up of its own, never as "
            "another seed: what it shares with it, the split above all, is no evidence."
        )
    if len({run.seed for run in runs}) < 2:
        yield (
            "One seed only: another split of the subjects may shift every number. Several seeds would show the spread."
        )
    if any(part_of(run) for run in runs):
        best = "The best peer and the best round are shown as spread, never chosen: choosing them"
        if all(run.sole or run.contract.peers.count == 1 for run in runs):
            best = "The best one was not chosen: choosing it"
        yield f"Every score is that of the last round. {best} would use the test clips."

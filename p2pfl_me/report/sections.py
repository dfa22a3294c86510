"""The parts of a report that concern one run: how it learned, agreed, what it cost, what failed, what was run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from statistics import median

import numpy as np

from p2pfl_me.contract import Contract, digest, dump_contract
from p2pfl_me.counting import readable_bytes
from p2pfl_me.learning.metrics import Metrics
from p2pfl_me.report.consensus import agreement
from p2pfl_me.report.document import Block, Bullets, Code, Paragraph, Section, Table
from p2pfl_me.report.failures import failures, lasting, received_share
from p2pfl_me.report.figures import RunPart, run_figures
from p2pfl_me.report.formatting import NONE, many
from p2pfl_me.report.origin import network_of
from p2pfl_me.report.privacy import left_the_building
from p2pfl_me.report.results import confusion_of, final_confusions, part_of
from p2pfl_me.report.run import Run
from p2pfl_me.report.traffic import alike, by_kind, model_share, peer_traffic, total_sent
from p2pfl_me.run.events import Reason
from p2pfl_me.topology import link_count, plan_of
from p2pfl_me.topology.layout import DRAWN_LINKS

MOST_FAILURES = 40
WHAT_RAN = "Contract, model, data, times and versions"


def run_sections(run: Run, anchor: str, folder: str, level: int) -> tuple[Section, ...]:
    """Everything about one run; `anchor` makes its links unique, its files go to `folder`. Folded below level 2."""
    shown = {part: tuple(run_figures(part, run)) for part in RunPart}
    return tuple(
        Section(_title(part, run), blocks, f"{anchor}{part}", folder, level, folded=level > 2)
        for part, (_, words) in _PARTS.items()
        if (blocks := (*shown[part], *words(run, bool(shown[part]))))
    )


def _title(part: RunPart, run: Run) -> str:
    return "How the peer learned" if run.sole and part is RunPart.LEARNING else _PARTS[part][0]


def _learning(run: Run, shown: bool) -> Iterator[Block]:
    if not shown:
        yield Paragraph("No peer completed a round.")
    lasts = {log.last_round for log in run.peers if log.rounds}
    if len(lasts) > 1:
        yield Paragraph(
            f"The peers ended at different rounds, from {min(lasts)} to {max(lasts)}; the mean of a round is over "
            "the peers that completed it."
        )


def _agreement(run: Run, shown: bool) -> Iterator[Block]:
    if not shown:
        if run.contract.peers.count > 1:
            why = "This folder holds one lab's own peer" if run.sole else "There is no round that two peers completed"
            yield Paragraph(f"{why}, so there is no distance to measure.")
    elif len({row.peers for row in agreement(run, None)}) > 1:
        yield Paragraph(
            "Not every round was completed by the same peers. The distance is over those present; the prediction is "
            "for the whole graph."
        )


def _classes(run: Run, shown: bool) -> Iterator[Block]:
    classes, part = run.contract.model.classes, part_of(run)
    average = confusion_of(run.average)
    several = not run.sole
    finals = [Metrics(matrix) for matrix in final_confusions(run).values() if len(matrix) == len(classes)]
    model = Metrics(average) if average is not None and len(average) == len(classes) else None
    if not several and finals:
        model, finals = finals[0], []
    if not finals and model is None:
        return
    support = (model or finals[0]).support
    header = ["class", f"{part or 'test'} clips"]
    if model is not None:
        header += ["precision", "recall", "F1"]
    if finals:
        header += ["F1, mean peer", "worst", "best"]
    rows = []
    for index, name in enumerate(classes):
        row = [name, str(support[index])]
        if model is not None:
            row += [f"{score[index]:.3f}" for score in (model.precision, model.recall, model.f1)]
        if finals:
            # A peer whose clips do not show the class was not asked about it.
            asked = [float(each.f1[index]) for each in finals if each.support[index]]
            row += [f"{value:.3f}" for value in (np.mean(asked), min(asked), max(asked))] if asked else [NONE] * 3
        rows.append(tuple(row))
    whose = "the average model" if several else run.sole
    caption = f"Precision, recall and F1 are those of {whose}." if model is not None else ""
    yield Table(tuple(header), tuple(rows), caption)


def _cost(run: Run, shown: bool) -> Iterator[Block]:
    sent = peer_traffic(run)
    if alike(sent):
        low, high = (readable_bytes(end(row.sent for row in sent)) for end in (min, max))
        each = low if low == high else f"between {low} and {high}"
        who = f"Each of the {len(sent)} peers" if len(sent) > 1 else f"Peer {sent[0].peer}"
        in_all = f": {readable_bytes(total_sent(sent))} in all" if len(sent) > 1 else ""
        verb = "would have sent" if run.manifest.rehearsed else "sent"
        yield Paragraph(
            f"{who} {verb} {each} on the wire, with encryption, headers and lengths{in_all}.{model_share(sent)}"
        )
    kinds = by_kind(run)
    if kinds:
        yield Table(
            ("message", "sent", "payload", "on the wire"),
            tuple(
                (row.kind, f"{row.messages:,}", readable_bytes(row.payload), readable_bytes(row.wire)) for row in kinds
            ),
            "All peers' egress ledgers: everything that "
            f"{'would have left' if run.manifest.rehearsed else 'left'} them. No image is among it.",
            folded="By kind of message",
        )
    times = _times(run)
    if times:
        yield Paragraph(times)


def _times(run: Run) -> str:
    rounds = [each for log in run.peers for each in log.rounds]
    if not rounds:
        return ""
    whole, training = [each.round_seconds for each in rounds], [each.train_seconds for each in rounds]
    waiting = f" and {median(each.wait_seconds for each in rounds):.2g} s of waiting for neighbours"
    return (
        f"A round took {median(whole):.2g} s in the median and {max(whole):.2g} s at most: {median(training):.2g} s of "
        f"training{waiting * (run.contract.peers.count > 1)}."
    )


def _graph(run: Run, shown: bool) -> Iterator[Block]:
    if not shown and not (links := link_count(plan_of(run.contract))):
        yield Paragraph("One peer has nobody to send weights to.")
    elif not shown:
        yield Paragraph(f"The graph is not drawn: it has {links} links, and more than {DRAWN_LINKS} tell nothing.")


def _failures(run: Run, shown: bool) -> Iterator[Block]:
    found = failures(run)
    if not found:
        yield Paragraph("Nothing: every peer reached its end, no frame was refused and no link was lost.")
    elif len(found) > MOST_FAILURES:
        rest = f"And {len(found) - MOST_FAILURES} more; the event logs have them all."
        yield Bullets((*found[:MOST_FAILURES], rest))
    else:
        yield Bullets(found)
    share = received_share(run)
    if share is not None:
        yield Paragraph(f"{100 * share:.1f} % of the neighbours' models that were expected arrived in time.")
    if unreadable := sum(len(log.unread) for log in run.peers):
        newer = sum(each.newer for log in run.peers for each in log.unread)
        why = f"; a newer version of p2pme wrote {newer} of them" if newer else ""
        yield Paragraph(f"{many(unreadable, 'line')} of the event logs could not be read and were passed over{why}.")


def _aggregation(contract: Contract) -> str:
    rule = contract.gossip.aggregation
    return ", ".join([rule.kind, *(f"{key} {value}" for key, value in rule.options.items())])


def _what_ran(run: Run, shown: bool) -> Iterator[Block]:
    contract, manifest = run.contract, run.manifest
    starts = [log.starts[-1] for log in run.peers if log.starts]
    parameters = sorted({start.parameters for start in starts if start.parameters})
    rows = [
        ("contract", contract.name),
        ("contract digest", digest(contract).hex()),
        ("seed", str(contract.seed)),
        ("topology", contract.topology.kind),
        ("peers", str(contract.peers.count)),
        ("rounds", _rounds(run)),
        ("aggregation", "" if contract.gossip.aggregation.follows_w else _aggregation(contract)),
        ("changed on the way", _changes(run)),
        ("liars", f"{', '.join(map(str, manifest.liars))}: {manifest.attack}" if manifest.liars else ""),
        (
            "local training",
            f"{contract.training.local_epochs} epochs of batch {contract.training.batch_size}, "
            f"Adam at {contract.training.learning_rate:g}",
        ),
        ("model", f"{contract.model.backbone}, {contract.model.trainable} trainable, {contract.model.input} input"),
        ("network", network_of(run)),
        ("images", manifest.clips.images),
        ("parameters exchanged", ", ".join(f"{count:,}" for count in parameters)),
        ("data", manifest.clips.source),
        ("data digest", manifest.clips.digest),
        ("clips", _clips(run)),
        ("ended because", ", ".join(sorted({_reason(log.finish.reason) for log in run.peers if log.finish}))),
        *_short_lives(run),
        ("started", _time(manifest.started)),
        ("finished", _finished(run)),
        ("command", manifest.command),
        ("p2pme", manifest.p2pme or ", ".join(sorted({start.version for start in starts}))),
        ("Python, torch, numpy", ", ".join(filter(None, (manifest.python, manifest.torch, manifest.numpy)))),
        ("platform", _platform(run, sorted({start.device for start in starts if start.device}))),
    ]
    yield Table(
        ("", ""), tuple((name, value) for name, value in rows if value), words=frozenset({0, 1}), folded=WHAT_RAN
    )
    strangers = sorted(
        log.peer for log in run.peers if log.starts and log.starts[-1].contract_digest not in {"", *run.contracts}
    )
    if strangers:
        yield Paragraph(
            f"The logs of peers {', '.join(map(str, strangers))} name another contract than the one in this folder."
        )
    yield Code("The contract in force", dump_contract(contract))


_PARTS: dict[RunPart, tuple[str, Callable[[Run, bool], Iterator[Block]]]] = {
    RunPart.LEARNING: ("How the peers learned", _learning),
    RunPart.AGREEMENT: ("How they came to agree", _agreement),
    RunPart.CLASSES: ("Which expressions are recognised", _classes),
    RunPart.COST: ("What it cost", _cost),
    RunPart.PRIVACY: ("What left the building", left_the_building),
    RunPart.GRAPH: ("The graph", _graph),
    RunPart.FAILURES: ("What went wrong", _failures),
    RunPart.RAN: ("What was run", _what_ran),
}
"""The title of each part, and what it says after its figures, told whether there are any."""


def _rounds(run: Run) -> str:
    done, planned = lasting(run), run.contract.training.rounds
    return f"{done} of {planned} completed" if done else f"none of {planned} completed"


def _changes(run: Run) -> str:
    """Which keys of the contract were others from which round on."""
    told = sorted({change for log in run.peers for change in log.changes})
    return "; ".join(f"{', '.join(keys)} from round {round} on" for round, keys in told)


def _clips(run: Run) -> str:
    manifest = run.manifest
    parts = [
        f"{count:,} {name}"
        for name, count in (
            ("to train on", manifest.clips.train),
            ("to validate", manifest.clips.validation),
            ("to test", manifest.clips.test),
        )
        if count
    ]
    if manifest.clips.subjects:
        parts.append(f"of {many(manifest.clips.subjects, 'subject')}")
    return ", ".join(parts)


def _short_lives(run: Run) -> list[tuple[str, str]]:
    """Which peers came to their end without all of their rounds, or without company."""
    told = [
        f"peer {log.peer} {log.finish.detail}"
        for log in run.peers
        if log.finish and log.finish.detail and log.finish.reason not in (Reason.ERROR, Reason.DIVERGED, Reason.BUDGET)
    ]
    return [("not whole", "; ".join(told))] if told else []


def _reason(reason: str) -> str:
    return {
        "rounds": "all rounds were done",
        "patience": "validation loss no longer fell and the neighbourhood agreed",
        "stopped": "stopped from outside",
        "alone": "no neighbour was there any more",
        "error": "an error",
        "budget": "its privacy budget was spent",
    }.get(reason, reason)


def _time(stamp: str) -> str:
    try:
        return datetime.fromisoformat(stamp).strftime("%Y-%m-%d %H:%M:%S %Z").strip()
    except ValueError:
        return stamp


def _finished(run: Run) -> str:
    if not run.manifest.p2pme:
        return ""
    if not run.manifest.finished:
        return "not finished: the run was stopped, or is still going"
    try:
        start = datetime.fromisoformat(run.manifest.started)
        took = datetime.fromisoformat(run.manifest.finished) - start
    except (TypeError, ValueError):
        return run.manifest.finished
    if took.total_seconds() < 0:
        return f"{_time(run.manifest.finished)} (the machine's clock was set back meanwhile)"
    return f"{_time(run.manifest.finished)} ({took.total_seconds():.0f} s later)"


def _platform(run: Run, devices: Sequence[str]) -> str:
    cores = f"{run.manifest.cpu_count} CPU cores" if run.manifest.cpu_count else ""
    return ", ".join(filter(None, (run.manifest.platform, cores, *devices)))

"""The evaluation's page: the triple, whether it is more than luck, data sets, peers, classes, and how it was got."""

from __future__ import annotations

from collections.abc import Iterator

from p2pfl_me.contract import dump_contract
from p2pfl_me.evaluate.cost import MB
from p2pfl_me.evaluate.holdout import HoldOut
from p2pfl_me.evaluate.results import ArmScore, Results
from p2pfl_me.evaluate.tables import (
    NOBODY,
    class_table,
    difference_table,
    field_table,
    interval_words,
    p_words,
    peer_table,
    plain_table,
    report_table,
    right,
    triple_table,
    unit,
)
from p2pfl_me.learning.statistics import Difference
from p2pfl_me.report.arms import Arm
from p2pfl_me.report.arms_picture import HEADER, arms_rows
from p2pfl_me.report.confusion_picture import confusion_panels
from p2pfl_me.report.document import Block, Bullets, Code, Document, Fact, Picture, Section
from p2pfl_me.report.formatting import apart, many
from p2pfl_me.report.paired import holm
from p2pfl_me.report.warning import warning_words, with_warning

SMALL = 10
"""A class with fewer items than this says next to nothing about itself."""


def compose(results: Results) -> Document:
    """The page."""
    split, contract = results.design.split, results.design.contract
    sections = [
        Section("Isolated, gossip, pooled", (triple_table(results), _picture(results)), "triple"),
        Section("More than luck?", (difference_table(results),), "differences"),
    ]
    if len(results.datasets) > 1:
        sections.append(Section("The field's table", (field_table(results),), "field"))
    sections += [
        Section("Each peer's own model", (peer_table(results),), "peers"),
        Section("By class", _classes(results), "classes"),
        Section("How it was measured", (plain_table(_how(results)),), "how"),
        Section("Before you believe these numbers", (Bullets(_notes(results)),), "notes"),
        Section("The contract", (Code(contract.name, dump_contract(contract)),), "contract"),
    ]
    subjects = len({clip.subject for clip in results.design.items.clips})
    document = Document(
        title=f"{', '.join(results.datasets)}: {split.protocol.words}",
        subtitle=(
            f"{sum(results.support())} held-out {unit(results)}s, {subjects} subjects, {len(results.classes)} classes, "
            f"{many(contract.peers.count, 'peer')}, topology {contract.topology.kind}, "
            f"{many(len(results.answers), 'seed')}"
        ),
        verdict=verdict(results),
        facts=_facts(results),
        sections=tuple(sections),
        colophon="Written by p2pme evaluate. predictions.csv holds every answer, card.json every digest and version.",
        eyebrow="p2pme evaluation",
    )
    return with_warning(document, results.design.warnings)


def verdict(results: Results) -> str:
    """What gossip reached, beside training alone and pooled, and whether the differences are more than luck."""
    found = {(first, second): each for first, second, each in results.differences()}
    score = results.score(results.shared, "uf1")
    if score is None:
        return "No gossip model was asked about a held-out item."
    kept = " With parts that stay home, each asked about its own subjects, gossip" if results.by_own_peer else "Gossip"
    held = dict(zip(found, holm([each.p for each in found.values()]), strict=True))
    alone = Arm.ISOLATED_OWN_PEER if results.by_own_peer else Arm.ISOLATED
    names = {alone: "Peers that train alone reach", Arm.POOLED: "Pooled training reaches"}
    beside = {
        arm: other
        for arm in names
        if (results.shared, arm) in found and (other := results.score(arm, "uf1")) is not None
    }
    alike = [arm for arm, other in beside.items() if _same_items(score, other, found[results.shared, arm])]
    digits, gaps = apart([(score.mean, beside[arm].mean) for arm in alike], 3, 4)
    words = f"{kept.lstrip()} peers reach a UF1 of {score.mean:.{digits}f}, 95 % interval {interval_words(score)}."
    for arm, other in beside.items():
        against = found[results.shared, arm]
        gap = gaps[alike.index(arm)] if arm in alike else f"{abs(against.mean):.{digits}f}"
        where = "" if arm in alike else ", on what both were asked,"
        side = "above" if against.mean > 0 else "below"
        luck = "more than luck" if held[results.shared, arm] else "which may be luck"
        far = f"is {gap} {side}, {luck}" if float(gap) else "ends level with it"
        words += f" {names[arm]} {other.mean:.{digits}f}: gossip{where} {far} (p {_is(against.p)})."
    if results.design.split.protocol.leaks:
        words += " Frames of the tested films were trained on, so this measures memory and not recognition."
    return words


def as_lines(results: Results) -> Iterator[str]:
    """The scores for a terminal, and what the page says first."""
    for arm in results.arms:
        if score := results.score(arm, "uf1"):
            bounds = f" ({interval_words(score)} in 95 % of draws of subjects)" if score.interval else ""
            uar, right_of = results.score(arm, "uar"), results.score(arm, "accuracy")
            more = [f"{name} {each.mean:.3f}" for name, each in (("UAR", uar), (right(results), right_of)) if each]
            yield f"{arm.words}: {', '.join([f'UF1 {score.mean:.3f}{bounds}', *more])}"
    yield verdict(results)
    if results.design.warnings:
        yield f"no measure of recognition: {warning_words(results.design.warnings)}"


def _same_items(one: ArmScore, other: ArmScore, against: Difference) -> bool:
    """Whether the tested difference is that of the two scores, as of arms that were asked about the same items."""
    return abs(one.mean - other.mean - against.mean) < 5e-4


def _is(p: float) -> str:
    words = p_words(p)
    return words if words.startswith("<") else f"= {words}"


def _facts(results: Results) -> tuple[Fact, ...]:
    alone = Arm.ISOLATED_OWN_PEER if results.by_own_peer else Arm.ISOLATED
    tones = {alone: "vermilion", results.shared: "blue", Arm.POOLED: "green"}
    facts = []
    for arm, tone in tones.items():
        score, share = results.score(arm, "uf1"), results.score(arm, "accuracy")
        within = f"95 %: {interval_words(score)}; " if score and score.interval else ""
        worst = "" if score is None or score.worst is None else f", worst peer {score.worst:.3f}"
        facts.append(
            Fact(
                f"UF1, {arm.value.removesuffix('_own_peer')}",
                NOBODY if score is None else f"{score.mean:.3f}",
                f"{within}{right(results)} {NOBODY if share is None else f'{share.mean:.3f}'}{worst}",
                tone,
            )
        )
    return tuple(facts)


def _picture(results: Results) -> Picture:
    return Picture(
        name="triple",
        title="What sharing is worth",
        reading=(
            "Upright bars are means, broad ones 95 % intervals over subjects, dots each model"
            f"{' under each seed' * (len(results.answers) > 1)}. The dotted line is what always naming the most "
            "frequent class gives."
        ),
        alt="UF1 of isolated, gossip and pooled models with intervals",
        header=HEADER,
        rows=arms_rows(results.arm_rows(), results.chance()),
    )


def _classes(results: Results) -> tuple[Block, ...]:
    panels = [(arm.words, results.confusion(arm)) for arm in (Arm.ISOLATED, Arm.GOSSIP, Arm.AVERAGE, Arm.POOLED)]
    picture = confusion_panels(
        results.classes,
        panels,
        "Where there are several peers or seeds, cells are means.",
        "Confusion matrices of isolated, gossip, average and pooled models",
        unit(results),
    )
    tables = [class_table(results), *(report_table(results, arm) for arm in (Arm.AVERAGE, Arm.POOLED))]
    return (*tables, picture) if picture else tuple(tables)


def _how(results: Results) -> list[tuple[str, str]]:
    design = results.design
    split, contract, request = design.split, design.contract, design.request
    training, layout = contract.training, contract.model.layout
    distance = results.distance()
    dealt = "one data set a peer" if request.peers == "dataset" else f"by {contract.data.partition.by}"
    if split.protocol.leaks:
        dealt = "sample by sample, at random"
    drawn = contract.model.backbone.frozen and contract.model.weights.source == "seed"
    backbone = ", drawn frozen layers" if drawn else ""
    steps = ", ".join(f"{arm} {results.steps(arm):,}" for arm in (Arm.ISOLATED, Arm.GOSSIP, Arm.POOLED))
    return [
        ("Held out", f"{split.protocol.words}; {many(len(split.folds), 'fold')}, split {split.digest()[:12]}"),
        ("Peers", f"{contract.peers.count}, dealt {dealt}, before anything is held out"),
        ("Topology", f"{contract.topology.kind}, protocol {contract.gossip.protocol}"),
        ("Engine", f"{design.engine}, on {'the processor' if design.device.type == 'cpu' else 'a GPU'}"),
        (
            "Training",
            f"{many(training.rounds, 'round')} of {many(training.local_epochs, 'epoch')}, learning rate "
            f"{training.learning_rate:g}, batches of {training.batch_size}, dropout {training.dropout:g}, "
            f"class weights {training.class_weights}; the last round is taken",
        ),
        (
            "Model",
            f"{contract.model.backbone}, input {contract.model.input}, trainable {contract.model.trainable}: "
            f"{layout.size:,} values travel",
        ),
        ("Network", design.network),
        ("Images", design.images),
        (
            "Training steps",
            f"{steps} in all; the work took {sum(each.seconds for each in results.took):,.0f} s of cores",
        ),
        (
            "Consensus",
            ""
            if distance is None
            else f"{100 * distance:.2g} % of the mean model's norm between a peer and "
            "the mean, after the last exchange",
        ),
        *_cost(results),
        (
            "Seeds",
            f"{', '.join(map(str, request.all_seeds))} (initial model, shuffles, dropout, dealing{backbone})",
        ),
        ("Clips", f"digest {design.clips}, of the clips alone"),
        ("Features", f"digest {design.features}, of what the network makes of them"),
    ]


def _cost(results: Results) -> list[tuple[str, str]]:
    target = results.design.request.target
    if target is None or not results.course:
        return []
    step, end = results.to_target(), results.course[-1]
    name = f"To a UF1 of {target:g}"
    if step is None:
        return [(name, f"not reached in {many(end.round, 'round')}, {end.sent / MB:.3g} MB sent a peer")]
    took = f"{step.sent / MB:.3g} MB sent a peer, {step.seconds:.2g} s of a core a peer"
    return [(name, f"{many(step.round, 'round')}, {took}; course.csv has every round. No round was chosen by it.")]


def _notes(results: Results) -> tuple[str, ...]:
    split = results.design.split
    notes = []
    if split.protocol.leaks:
        notes.append(
            "Subjects leak: neighbouring frames of one film are on both sides. Such a figure says how well films that "
            "were trained on are found again. Compare it with --protocol loso before you quote anything."
        )
    else:
        notes.append(
            "The held-out subjects were removed from their peers before training; no peer saw a clip of theirs."
        )
    if results.design.seen:
        notes.append(
            f"The {results.design.seen}, before any peer began: a score on these is no score on strangers. Take "
            "weights of other people, or of none."
        )
    elif results.design.origin_unknown:
        which = "weights file" if results.design.contract.model.backbone.frozen else "network's own code"
        notes.append(
            f"The {which} does not say what it was trained on: whether it has seen the held-out subjects is not known."
        )
    if split.protocol is HoldOut.LAB:
        notes.append(
            "A peer whose clips are all held out sits that fold out; the graph is built for those that are left."
        )
    if results.by_own_peer:
        notes.append(
            f"Stays home: {', '.join(results.design.contract.gossip.personal)}. The average model mixes parts that "
            "never met; read the rows of the subject's own peer."
        )
    notes += [
        "No held-out clip entered any choice: no epoch, peer or setting was picked by these scores.",
        "Answers of all folds were pooled once; a mean of the folds' own F1 would be another and lower number.",
        "Pooled training takes the same epochs over all clips, about as many steps as all peers together.",
        "With few subjects a difference of 0.05 in UF1 means little: read the intervals.",
    ]
    small = [f"{name} {count}" for name, count in zip(results.classes, results.support(), strict=True) if count < SMALL]
    if small:
        notes.append(
            f"Classes with few {unit(results)}s ({', '.join(small)}): their F1 counts as much as any other in UF1 and "
            "can jump by tenths with one answer."
        )
    return tuple(notes)

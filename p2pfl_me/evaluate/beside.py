"""Finished evaluations of the same clips and folds in one table: which network, or which setting, is worth what."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from pathlib import Path

from p2pfl_me.counting import many
from p2pfl_me.evaluate.cost import MB
from p2pfl_me.evaluate.finished import Finished, Uf1, read_finished
from p2pfl_me.evaluate.holdout import HoldOut
from p2pfl_me.evaluate.tables import NOBODY, p_words
from p2pfl_me.learning.statistics import Difference, difference
from p2pfl_me.report.arms import Arm
from p2pfl_me.report.comparison_pairs import OPEN_PAIRS
from p2pfl_me.report.document import Block, Bullets, Document, Section, Table
from p2pfl_me.report.formatting import signed
from p2pfl_me.report.numbers import Cell
from p2pfl_me.report.paired import LEVEL, holm, together
from p2pfl_me.report.style import house_style
from p2pfl_me.report.warning import warned_csv, warning_words, with_warning
from p2pfl_me.report.write import write_document


def write_beside(
    folders: Sequence[Path], out: Path, names: Sequence[str] = (), tell: Callable[[str], object] = lambda words: None
) -> Path:
    """Write the table of finished evaluations into `out`: report.html, report.md, beside.csv, differences.csv.

    Parameters
    ----------
    names:
        Of the rows; by default those of the folders.
    tell:
        Hears what the page says first.

    Raises
    ------
    RunError
        A folder holds no finished evaluation, two are not of the same clips and folds, or `out` cannot be written.
    """
    found = read_finished(folders, names or [folder.resolve().name for folder in folders])
    words = warning_words([each for one in found for each in one.card.warnings])
    pairs = list(_pairs(found))
    tables = {
        "beside.csv": warned_csv(HEADER, [_cells(each) for each in found], words),
        "differences.csv": warned_csv(
            ("first", "second", "uf1", "low", "high", "p"),
            [(one.name, two.name, d.mean, d.interval.low, d.interval.high, d.p) for one, two, d in pairs],
            words,
        ),
    }
    document = _compose(found, pairs, [words] if words else [])
    tell(document.verdict)
    with house_style():
        return write_document(document, tables, out)


def _pairs(found: Sequence[Finished]) -> Iterator[tuple[Finished, Finished, Difference]]:
    """All pairs that can be tested: as many peers on both sides, or one model on one of them."""
    for one, two in combinations(found, 2):
        seeds = sorted(set(one.counts) & set(two.counts))
        first, second = ([each.counts[seed] for seed in seeds] for each in (one, two))
        alike = all(len(a) == len(b) or 1 in (len(a), len(b)) for a, b in zip(first, second, strict=True))
        if seeds and alike and (apart := difference(first, second)) is not None:
            yield one, two, apart


UNTOLD = "its card does not say what the network is."
HEADER = (
    "name",
    "network",
    "isolated",
    "gossip",
    "gossip_low",
    "gossip_high",
    "pooled",
    "seeds",
    "values",
    "message_bytes",
    "target",
    "rounds_to_target",
    "mb_to_target",
    "seconds_to_target",
    "seconds_of_work",
)


def _cells(each: Finished) -> tuple[Cell, ...]:
    cost, gossip, alone, pooled = each.card.cost, each.gossip, each.alone, each.score(Arm.POOLED)
    reached = cost.reached
    return (
        each.name,
        each.card.network or None,
        alone.mean if alone else None,
        *((gossip.mean, gossip.low, gossip.high) if gossip else (None, None, None)),
        pooled.mean if pooled else None,
        len(each.card.seeds),
        cost.values,
        cost.message_bytes,
        cost.target,
        *((reached.round, reached.sent / MB, reached.seconds) if reached else (None, None, None)),
        each.card.seconds_of_work,
    )


def _compose(
    found: Sequence[Finished], pairs: Sequence[tuple[Finished, Finished, Difference]], warnings: Sequence[str]
) -> Document:
    first = found[0].card
    blocks: list[Block] = [_table(found), _networks(found)]
    sections = [Section("Side by side", tuple(blocks), "beside")]
    if pairs:
        sections.append(Section("More than luck?", (_differences(pairs),), "differences"))
    document = Document(
        title=f"{len(found)} evaluations side by side",
        subtitle=(
            f"{many(first.data.items, 'clip')} of {many(first.data.subjects, 'subject')}, {_held_out(first.protocol)}, "
            f"{many(first.folds, 'fold')}, {many(first.peers, 'peer')}"
        ),
        verdict=_verdict(found, pairs),
        facts=(),
        sections=tuple(sections),
        colophon="Written by p2pme. Every number is from the evaluations' own card.json and predictions.csv.",
        eyebrow="p2pme evaluation",
    )
    return with_warning(document, warnings)


def _table(found: Sequence[Finished]) -> Table:
    targets = {each.card.cost.target for each in found if each.card.cost.target is not None}
    header = ["", "isolated", "gossip", "95 % interval", "pooled", "values that travel", "bytes a message"]
    header += ["rounds to target", "MB a peer", "seconds a peer"] if targets else []
    rows = []
    for each in found:
        cost, bytes_ = each.card.cost, each.card.cost.message_bytes
        row = [each.name, _mean(each.alone), _mean(each.gossip), _interval(each.gossip), _mean(each.score(Arm.POOLED))]
        row += [f"{cost.values:,}", f"{bytes_:,}" if bytes_ else NOBODY]
        if targets:
            if reached := cost.reached:
                row += [str(reached.round), f"{reached.sent / MB:.3g}", f"{reached.seconds:.2g}"]
            else:
                row += ["not reached" if cost.target is not None else NOBODY, NOBODY, NOBODY]
        rows.append(tuple(row))
    caption = (
        f"UF1 of the pooled answers{', mean over seeds' * any(len(each.card.seeds) > 1 for each in found)}; intervals "
        "over draws of subjects. A message is one model with its header and seals."
    )
    if targets:
        caption += (
            f" To a UF1 of {', '.join(f'{target:g}' for target in sorted(targets))}: the first round after which the "
            "gossip peers have it, what a peer has sent by then, and the time of a core that it has trained and mixed."
        )
    return Table(tuple(header), tuple(rows), caption)


def _networks(found: Sequence[Finished]) -> Bullets:
    """What each network is: a score on weights that nobody knows is not one on weights that were never trained."""
    alike: dict[str, list[str]] = {}
    for each in found:
        alike.setdefault(each.card.network or UNTOLD, []).append(each.name)
    if len(alike) == 1:
        return Bullets(tuple(f"All: {words}" for words in alike))
    return Bullets(tuple(f"{'; '.join(names)}: {words}" for words, names in alike.items()))  # names may hold commas


def _differences(pairs: Sequence[tuple[Finished, Finished, Difference]]) -> Table:
    held = holm([each.p for _, _, each in pairs])
    rows = [
        (
            f"{one.name} − {two.name}",
            signed(each.mean),
            f"{signed(each.interval.low)} to {signed(each.interval.high)}",
            p_words(each.p),
            "yes" if luck else "cannot tell",
        )
        for (one, two, each), luck in zip(pairs, held, strict=True)
    ]
    caption = (
        "Differences in UF1 of the gossip peers, by the same paired permutation test over subjects as within one "
        f"evaluation. More than luck: p holds at {LEVEL:g}{together(len(pairs))}."
    )
    header = ("", "difference", "95 % interval", "p", "more than luck")
    folded = f"{len(rows)} pairs, one by one" if len(rows) > OPEN_PAIRS else ""
    return Table(header, tuple(rows), caption, words=frozenset({0, 4}), folded=folded)


def _verdict(found: Sequence[Finished], pairs: Sequence[tuple[Finished, Finished, Difference]]) -> str:
    """Whoever is above others by more than luck is said to be; of those that cannot be told apart none is ranked."""
    means = {each.name: score.mean for each in found if (score := each.gossip)}
    asked = [each for each in found if each.name in means]
    if not asked:
        return "No gossip model was asked about a held-out item."
    best = max(asked, key=lambda each: means[each.name])
    held = holm([each.p for _, _, each in pairs])
    below = [
        (two if one is best else one)
        for (one, two, _), luck in zip(pairs, held, strict=True)
        if luck and best in (one, two)
    ]
    like = [each for each in asked if each not in below]
    if below:
        words = f"{best.name} has a UF1 of gossip peers of {means[best.name]:.3f}, more than luck above "
        words += f"{_listed([each.name for each in below])}."
        if rest := [each.name for each in like if each is not best]:
            words += f" It cannot be told from {_listed(rest)}."
    elif len(asked) == 1:
        return f"{best.name} alone has gossip models that were asked: UF1 {means[best.name]:.3f}."
    else:
        ends = " to ".join(dict.fromkeys(f"{end(means.values()):.3f}" for end in (min, max)))
        words = f"These evaluations cannot be told apart: gossip peers reach a UF1 of {ends}, and no difference holds."
    sized = [(size, each) for each in like if (size := each.card.cost.message_bytes) is not None]
    if len({size for size, _ in sized}) > 1:
        size, least = min(sized, key=lambda pair: pair[0])
        words += f" Of those that cannot be told apart {least.name} sends least: {size:,} bytes a message."
    return words


def _held_out(protocol: str) -> str:
    """In words, where this version knows it."""
    return HoldOut(protocol).words if protocol in {each.value for each in HoldOut} else protocol


def _listed(names: Sequence[str]) -> str:
    """Three by name, the others by their number."""
    if len(names) > 4:
        return f"{', '.join(names[:3])} and {len(names) - 3} more"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def _mean(score: Uf1 | None) -> str:
    return f"{score.mean:.3f}" if score else NOBODY


def _interval(score: Uf1 | None) -> str:
    ends = (score.low, score.high) if score else (None, None)
    return NOBODY if ends[0] is None or ends[1] is None else f"{ends[0]:.3f} to {ends[1]:.3f}"

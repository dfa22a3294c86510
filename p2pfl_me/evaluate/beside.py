"""Finished evaluations of the same clips and folds in one table: which network, or which setting, is worth what.

All comes from their own files: `card.json` for scores and costs, `predictions.csv` for the paired tests.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from p2pfl_me.errors import RunError
from p2pfl_me.evaluate.answers import numbered, tally
from p2pfl_me.evaluate.cost import MB
from p2pfl_me.evaluate.folder import ANSWERS, CARD, is_evaluation
from p2pfl_me.evaluate.tables import NOBODY, p_words
from p2pfl_me.files import read_json, read_text
from p2pfl_me.learning.metrics import Counts
from p2pfl_me.learning.statistics import Difference, difference
from p2pfl_me.report.arms import Arm
from p2pfl_me.report.document import Block, Document, Section, Table
from p2pfl_me.report.numbers import Cell, Row, csv_rows
from p2pfl_me.report.paired import LEVEL, holm
from p2pfl_me.report.style import house_style
from p2pfl_me.report.warning import warned_csv, warning_words, with_warning
from p2pfl_me.report.write import write_document

SAME = {"clips": "other clips", "split": "other folds"}
"""Digests that evaluations in one table share, and what it means where they don't."""


@dataclass(frozen=True, eq=False)
class Finished:
    """One evaluation as its files tell it. `counts` are those of the shared arm by model and subject, by seed."""

    name: str
    card: dict[str, Any] = field(repr=False)
    counts: dict[int, Counts] = field(repr=False)

    @property
    def shared(self) -> Arm:
        return Arm(self.card["shared_arm"])

    def score(self, arm: Arm) -> dict[str, float] | None:
        """Its UF1: mean, low, high; None where nobody was asked."""
        found: dict[str, float] | None = self.card["scores"].get(arm, {}).get("uf1")
        return found

    @property
    def uf1(self) -> float:
        score = self.score(self.shared)
        return score["mean"] if score else float("nan")

    @property
    def message(self) -> int | None:
        """Bytes of one model on the wire; None where they differ from one to the next."""
        found: int | None = self.card["cost"]["message_bytes"]
        return found


def write_beside(folders: Sequence[Path], out: Path, names: Sequence[str] = ()) -> Path:
    """Write the table of finished evaluations into `out`: report.html, report.md, beside.csv, differences.csv.

    Parameters
    ----------
    names:
        Of the rows; by default those of the folders.

    Raises
    ------
    RunError
        A folder holds no finished evaluation, two are not of the same clips and folds, or `out` cannot be written.
    """
    found = _read(folders, names or [folder.resolve().name for folder in folders])
    words = warning_words([each for one in found for each in one.card["warnings"]])
    pairs = list(_pairs(found))
    tables = {
        "beside.csv": warned_csv(HEADER, [_cells(each) for each in found], words),
        "differences.csv": warned_csv(
            ("first", "second", "uf1", "low", "high", "p"),
            [(one.name, two.name, d.mean, d.interval.low, d.interval.high, d.p) for one, two, d in pairs],
            words,
        ),
    }
    with house_style():
        return write_document(_compose(found, pairs, [words] if words else []), tables, out)


def _read(folders: Sequence[Path], names: Sequence[str]) -> list[Finished]:
    found: list[Finished] = []
    for folder, name in zip(folders, names, strict=True):
        repeats = sum(each.name.partition(" #")[0] == name for each in found)
        found.append(_finished(folder, f"{name} #{repeats + 1}" if repeats else name))
        for digest, what in SAME.items():
            if found[-1].card["digests"][digest] != found[0].card["digests"][digest]:
                raise RunError(
                    f"is an evaluation on {what} than {folders[0]}: their scores say nothing about each other",
                    where=str(folder),
                    fix="evaluate both on the same clips with the same --protocol and --folds",
                )
    return found


def _finished(folder: Path, name: str) -> Finished:
    if not is_evaluation(folder):
        raise RunError(
            "no finished evaluation lies here", where=str(folder), fix="name the --out folder of `p2pme evaluate`"
        )
    try:
        card = read_json(folder / CARD)
        rows = csv_rows(read_text(folder / ANSWERS))
        found = Finished(name, card, _counts(card, rows))
        _ = found.uf1, found.message, card["digests"]["split"], card["digests"]["clips"], card["warnings"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(
            f"its card cannot be read ({error!r}): it is damaged, or an older version wrote it",
            where=str(folder / CARD),
            fix="give the evaluation's command again with the same --out; what is finished is kept",
        ) from error
    return found


def _counts(card: dict[str, Any], rows: Sequence[Row]) -> dict[int, Counts]:
    """Confusions of the gossip peers by model and subject; where parts stay home, of the subject's own peer."""
    who = [f"{row['dataset']}\x1f{row['subject']}" for row in rows]
    items, keys = numbered([f"{one}\x1f{row['clip']}" for one, row in zip(who, rows, strict=True)])
    classes = list(next(iter(card["data"]["support"].values())))
    true, subject = np.zeros(len(keys), dtype=np.int64), np.zeros(len(keys), dtype=np.int64)
    group, names = numbered(who)
    predicted: dict[int, dict[int, list[tuple[int, int]]]] = {}
    for row, item, own in zip(rows, items.tolist(), group.tolist(), strict=True):
        true[item], subject[item] = classes.index(row["label"]), own
        if row["arm"] == Arm.GOSSIP:
            of_seed = predicted.setdefault(int(row["seed"]), {})
            of_seed.setdefault(int(row["peer"]), []).append((item, classes.index(row["predicted"])))
    out = {}
    own_peers = card["own_peers"]
    for seed, peers in predicted.items():
        models = np.full((max(peers) + 1, len(keys)), -1)
        for peer, answers in peers.items():
            at, said = zip(*answers, strict=True)
            models[peer, list(at)] = said
        if card["shared_arm"] == Arm.GOSSIP_OWN_PEER:
            asked = np.array([own_peers[str(seed)][names[own]] for own in subject])
            models = models[asked, np.arange(len(keys))][None]
        out[seed] = tally(models, true, subject, len(names), len(classes))
    return out


def _pairs(found: Sequence[Finished]) -> Iterator[tuple[Finished, Finished, Difference]]:
    """All pairs that can be tested: as many peers on both sides, or one model on one of them."""
    for one, two in combinations(found, 2):
        seeds = sorted(set(one.counts) & set(two.counts))
        first, second = ([each.counts[seed] for seed in seeds] for each in (one, two))
        alike = all(len(a) == len(b) or 1 in (len(a), len(b)) for a, b in zip(first, second, strict=True))
        if seeds and alike and (apart := difference(first, second)) is not None:
            yield one, two, apart


HEADER = (
    "name",
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
    cost, gossip = each.card["cost"], each.score(each.shared)
    alone, pooled = each.score(_alone(each)), each.score(Arm.POOLED)
    reached = cost.get("reached") or {}
    return (
        each.name,
        alone["mean"] if alone else None,
        *((gossip["mean"], gossip["low"], gossip["high"]) if gossip else (None, None, None)),
        pooled["mean"] if pooled else None,
        len(each.card["seeds"]),
        cost["values"],
        cost["message_bytes"],
        cost.get("target"),
        reached.get("round"),
        reached["sent"] / MB if reached else None,
        reached.get("seconds"),
        each.card["seconds_of_work"],
    )


def _compose(
    found: Sequence[Finished], pairs: Sequence[tuple[Finished, Finished, Difference]], warnings: Sequence[str]
) -> Document:
    first = found[0].card
    blocks: list[Block] = [_table(found)]
    sections = [Section("Side by side", tuple(blocks), "beside")]
    if pairs:
        sections.append(Section("More than luck?", (_differences(pairs),), "differences"))
    document = Document(
        title=f"{len(found)} evaluations side by side",
        subtitle=(
            f"{first['data']['items']} clips of {first['data']['subjects']} subjects, {first['protocol']}, "
            f"{first['folds']} folds, {first['peers']} peers"
        ),
        verdict=_verdict(found, pairs),
        facts=(),
        sections=tuple(sections),
        colophon="Written by p2pme. Every number is from the evaluations' own card.json and predictions.csv.",
        eyebrow="p2pme evaluation",
    )
    return with_warning(document, warnings)


def _table(found: Sequence[Finished]) -> Table:
    targets = {each.card["cost"].get("target") for each in found} - {None}
    header = ["", "isolated", "gossip", "95 % interval", "pooled", "values that travel", "bytes a message"]
    header += ["rounds to target", "MB a peer", "seconds a peer"] if targets else []
    rows = []
    for each in found:
        cost, gossip = each.card["cost"], each.score(each.shared)
        row = [each.name, _mean(each.score(_alone(each))), _mean(gossip)]
        row += [f"{gossip['low']:.3f} to {gossip['high']:.3f}" if gossip else NOBODY, _mean(each.score(Arm.POOLED))]
        row += [f"{cost['values']:,}", f"{each.message:,}" if each.message else NOBODY]
        if targets:
            reached, asked = cost.get("reached"), cost.get("target") is not None
            if reached:
                row += [str(reached["round"]), f"{reached['sent'] / MB:.3g}", f"{reached['seconds']:.2g}"]
            else:
                row += ["not reached" if asked else NOBODY, NOBODY, NOBODY]
        rows.append(tuple(row))
    caption = (
        "UF1 of the pooled answers, mean over seeds; intervals over draws of subjects. A message is one model with its "
        "header and seals."
    )
    if targets:
        caption += (
            f" To a UF1 of {', '.join(f'{target:g}' for target in sorted(targets))}: the first round after which the "
            "gossip peers have it, what a peer has sent by then, and the time of a core that it has trained and mixed."
        )
    return Table(tuple(header), tuple(rows), caption)


def _differences(pairs: Sequence[tuple[Finished, Finished, Difference]]) -> Table:
    held = holm([each.p for _, _, each in pairs])
    rows = [
        (
            f"{one.name} − {two.name}",
            f"{each.mean:+.3f}",
            f"{each.interval.low:+.3f} to {each.interval.high:+.3f}",
            p_words(each.p),
            "yes" if luck else "cannot tell",
        )
        for (one, two, each), luck in zip(pairs, held, strict=True)
    ]
    caption = (
        "Differences in UF1 of the gossip peers, by the same paired permutation test over subjects as within one "
        f"evaluation. More than luck: p holds at {LEVEL:g} over all {len(pairs)} pairs together (Holm)."
    )
    header = ("", "difference", "95 % interval", "p", "more than luck")
    return Table(header, tuple(rows), caption, words=frozenset({0, 4}))


def _verdict(found: Sequence[Finished], pairs: Sequence[tuple[Finished, Finished, Difference]]) -> str:
    asked = [each for each in found if np.isfinite(each.uf1)]
    if not asked:
        return "No gossip model was asked about a held-out item."
    best = max(asked, key=lambda each: each.uf1)
    words = f"{best.name} has the highest UF1 of gossip peers, {best.uf1:.3f}."
    held = holm([each.p for _, _, each in pairs])
    told_apart = {
        (two if one is best else one).name: luck
        for (one, two, _), luck in zip(pairs, held, strict=True)
        if best in (one, two)
    }
    like = [each for each in asked if each is best or told_apart.get(each.name) is False]
    sized = [(each.message, each) for each in like if each.message is not None]
    if len(like) > 1 and sized:
        size, least = min(sized, key=lambda pair: pair[0])
        if least is not best:
            gap = round(best.uf1, 3) - round(least.uf1, 3)  # as the table above it gives
            words += (
                f" {least.name}, {gap:.3f} below, cannot be told from it and sends least: {size:,} bytes a message."
            )
    return words


def _alone(each: Finished) -> Arm:
    return Arm.ISOLATED_OWN_PEER if each.shared is Arm.GOSSIP_OWN_PEER else Arm.ISOLATED


def _mean(score: dict[str, float] | None) -> str:
    return f"{score['mean']:.3f}" if score else NOBODY

"""The first screen's sentence: what was reached, beside what, and whether the difference is more than luck.

One standard for every page: "better" and "more than luck" are written only where a paired test holds at `LEVEL` over
all tests of the page together (Holm); else the page says that it cannot tell, and how many seeds it would take.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from p2pfl_me.report.arms import Arm
from p2pfl_me.report.comparison_pairs import better, pair_tests
from p2pfl_me.report.formatting import apart, figure, many
from p2pfl_me.report.methods import Method, Setting, per_megabyte
from p2pfl_me.report.paired import LEVEL, Paired, holm, paired, seeds_needed
from p2pfl_me.report.results import shown_interval, spread
from p2pfl_me.report.run import Run
from p2pfl_me.report.warning import warning_words

NO_SCORES = "No scores: no peer finished a round with clips of other subjects to be tested on."
NO_ROUNDS = "No scores: no peer came to the end of a round."


def verdict(setting: Setting) -> str:
    """On several methods which differ; on a single one what gossip reached beside training alone and pooled."""
    if len(setting.methods) == 1:
        return _of_one(setting.methods[0])
    scored = [(found.mean, method) for method in setting.methods if (found := spread(list(method.score().values())))]
    if not scored:
        return NO_SCORES
    tests = pair_tests(setting)
    held = [better(test) for test, holds in tests if holds]
    if held:
        words = f"Supported by the paired tests: {'; '.join(held[:3])}"
        words += f"; and {len(held) - 3} more." if len(held) > 3 else "."
    else:
        means = [mean for mean, _ in scored]
        seeds = max((test.seeds for test, _ in tests), default=0)
        why = f"no difference holds over {many(seeds, 'seed')}" if tests else "no two ran one seed on the same clips"
        ends = " to ".join(dict.fromkeys((f"{min(means):.2f}", f"{max(means):.2f}")))
        whose = "the peers" if setting.alone else "average models"
        words = f"By score these runs cannot tell the set-ups apart: {whose} end at UF1 {ends}, and {why}."
    return words + ("" if setting.alone else _costs([method for _, method in scored]))


def as_lines(settings: Sequence[Setting]) -> Iterator[str]:
    """The scores of a comparison for a terminal, and what its page says first."""
    for setting in settings:
        if setting.name:
            yield f"{setting.name}:"
        for method in setting.methods:
            arms = [(arm, spread(list(method.score(arm).values()))) for arm in (Arm.AVERAGE, Arm.GOSSIP)]
            said = [f"{arm.words.lower()} {figure(found)}" for arm, found in arms if found]
            if setting.alone:
                said = [figure(found) for arm, found in arms if found and arm is Arm.GOSSIP]
            yield f"{method.name}: UF1 {', '.join(said)}" if said else f"{method.name}: no scores"
        for arm in (Arm.ISOLATED, Arm.FEDAVG, Arm.POOLED):
            if found := spread(list(setting.methods[0].score(arm).values())):
                yield f"{arm.of(alone=setting.alone)}: UF1 {figure(found)}"
        yield verdict(setting)
    runs = [run for setting in settings for method in setting.methods for run in method.runs]
    if warnings := warning_words([words for run in runs for words in run.warnings]):
        yield f"no measure of recognition: {warnings}"


def _costs(methods: Sequence[Method]) -> str:
    ratios = {method.name: per_megabyte(method) for method in methods}
    sent = {name: float(np.mean([mb for _, mb in found.values()])) for name, found in ratios.items() if found}
    if len(sent) < 2 or min(sent.values()) >= 0.95 * max(sent.values()):
        return ""
    least, most = min(sent, key=lambda name: sent[name]), max(sent, key=lambda name: sent[name])
    return f" They differ in cost: {least} sent {sent[least] / sent[most]:.2f} of the bytes of {most}."


def _of_one(method: Method) -> str:
    gossip = method.score(Arm.GOSSIP)
    found = spread(list(gossip.values()))
    if found is None:
        return NO_SCORES if any(log.rounds for run in method.runs for log in run.peers) else NO_ROUNDS
    digits, sentences = _beside(gossip, {arm: method.score(arm) for arm in (Arm.ISOLATED, Arm.POOLED)})
    several, sole = method.runs[0].contract.peers.count > 1, method.runs[0].sole
    who = f"After gossip {sole or 'the mean peer'}" if several else "The only peer"
    words = f"{who} recognises expressions of unseen subjects at UF1 {figure(found, digits)}"
    if len(method.runs) == 1:
        words += f" ({_interval(method.runs[0])})"
    return f"{words}.{''.join(sentences)}" if several else f"{words}. It had nobody to gossip with."


def _interval(run: Run) -> str:
    found = shown_interval(run)
    if isinstance(found, str):
        return found
    arm, interval = found
    whose = "average model: " if arm is Arm.AVERAGE else ""
    return f"{whose}{interval.low:.2f} to {interval.high:.2f} in 95 % of draws of subjects"


def digits_of(method: Method) -> int:
    """With so many digits the scores of a single set-up stand at the head of the page, in words and large."""
    return _beside(method.score(Arm.GOSSIP), {arm: method.score(arm) for arm in (Arm.ISOLATED, Arm.POOLED)})[0]


def _beside(gossip: dict[int, float], others: dict[Arm, dict[int, float]]) -> tuple[int, list[str]]:
    """A sentence on each other arm, over the seeds that both ran, and the digits in which all numbers fit together."""
    shared = {arm: sorted(gossip.keys() & scores.keys()) for arm, scores in others.items()}
    shared = {arm: seeds for arm, seeds in shared.items() if seeds}
    tests = {
        arm: paired("gossip", arm.value, [gossip[seed] - others[arm][seed] for seed in seeds])
        for arm, seeds in shared.items()
    }
    held = holm([test.p for test in tests.values()])
    means = {arm: (_mean_of(gossip, seeds), _mean_of(others[arm], seeds)) for arm, seeds in shared.items()}
    digits, gaps = apart(list(means.values()), 2 if len(gossip) == 1 else 3, 3)
    sentences = []
    for (arm, test), gap, holds in zip(tests.items(), gaps, held, strict=True):
        own, other = means[arm]
        name = "Training alone" if arm is Arm.ISOLATED else "Pooling all clips in one place"
        whose = "" if test.seeds == len(gossip) else f", {own:.{digits}f} over the same {many(test.seeds, 'seed')},"
        side = "above" if test.mean > 0 else "below"
        level = not float(gap)
        far = "ends level with it" if level else f"is {gap} {side}{luck(test, holds, len(tests))}"
        sentences.append(f" {name} gives {other:.{digits}f}: gossip{whose} {far}.")
    return digits, sentences


def _mean_of(scores: dict[int, float], seeds: Sequence[int]) -> float:
    return float(np.mean([scores[seed] for seed in seeds]))


def luck(test: Paired, holds: bool, tests: int) -> str:
    """What may be said of a difference over seeds."""
    if holds:
        return f", more than luck over {many(test.seeds, 'seed')} (p = {test.p:.2g})"
    if test.least > LEVEL / tests:
        return f", which {many(test.seeds, 'seed')} cannot tell from luck (it takes {seeds_needed(tests)})"
    return f", which may be luck (p = {test.p:.2g})"

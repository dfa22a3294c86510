"""Runs every unit of an evaluation that is not finished yet, then writes tables, card and page."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from functools import partial

from p2pfl_me.atomic import gone_if_refused
from p2pfl_me.cluster.hands import require_answer
from p2pfl_me.console.lines import Console
from p2pfl_me.counting import many
from p2pfl_me.evaluate.answers import gather
from p2pfl_me.evaluate.cost import gather_course
from p2pfl_me.evaluate.design import Design, Request, make_design
from p2pfl_me.evaluate.document import as_lines
from p2pfl_me.evaluate.elsewhere import outcomes_at
from p2pfl_me.evaluate.floor import floor_of
from p2pfl_me.evaluate.items import read_items
from p2pfl_me.evaluate.outcome import Outcome
from p2pfl_me.evaluate.pool import bench_of, job_of
from p2pfl_me.evaluate.results import Results, Took
from p2pfl_me.evaluate.store import MARK, SPLIT, Store, write_split
from p2pfl_me.evaluate.units import units_of
from p2pfl_me.evaluate.write import write_results
from p2pfl_me.home import cache_dir
from p2pfl_me.progress import FEATURES, IMAGES

TELL_S = 2.0
"""Seconds between lines of progress."""


def evaluate(request: Request, console: Console) -> Results | None:
    """Train what is missing and write DIR/report.html; None when stopped.

    Raises
    ------
    P2pmeError
        The request cannot be met, training diverged, or the disk failed. What is finished is kept.
    """
    cache = cache_dir(request.home)
    begun = time.monotonic()
    if not (request.out / MARK).exists():  # later, features are there, and perhaps all units are done
        require_answer(request.place)
    console.say("reading clips and drawing or reading the backbone")
    with gone_if_refused(request.out), console.showing(IMAGES, FEATURES) as (images, features):
        design = make_design(request, cache, features, images, partial(write_split, request.out))
    store = Store(request.out, design.digest)
    store.write(SPLIT, design.split_text())
    units = design.units()
    console.say(_greeting(design, len(units)))
    waiting = [unit for unit in units if not store.has(unit)]
    if len(waiting) < len(units):
        console.say(f"{len(units) - len(waiting)} of {len(units)} units are finished already")
    for seed in sorted({unit.seed for unit in waiting} - {request.contract.seed}):
        with console.showing(f"{FEATURES}, seed {seed}") as (features,):
            read_items(
                design.of_seed(seed),
                design.given,
                request.protocol,
                cache=cache,
                weights=request.weights,
                device=request.device if request.place.here else "cpu",
                progress=features,
            )
    try:
        done = _do(design, store, console)
    except KeyboardInterrupt:
        console.say(f"stopped; give the same command again with --out {request.out}: finished folds are kept")
        return None
    # Another machine's steps are not this one's, and those behind a protection take longer than plain ones.
    if done and request.place.here and design.device.type == "cpu" and not design.contract.privacy.protects:
        console.say(floor_of(bench_of(job_of(design), request.contract.seed), done).words)
    console.say("writing the page")
    results = _results(design, store, time.monotonic() - begun)
    page = write_results(results, request.out)
    for line in as_lines(results):
        console.say(line)
    console.say(f"report: {page}")
    return results


def _do(design: Design, store: Store, console: Console) -> list[Outcome]:
    """Do what is missing; what came of it."""
    units = design.units()
    waiting = [unit for unit in units if not store.has(unit)]
    begun = told = time.monotonic()
    found = []
    for done, (unit, outcome) in enumerate(outcomes_at(design, waiting), start=1):
        store.keep(unit, outcome)
        found.append(replace(outcome, guesses=(), course=None))  # what it took is all that is asked of it here
        now = time.monotonic()
        if now - told >= TELL_S or done == len(waiting):
            told = now
            left = (now - begun) / done * (len(waiting) - done)
            finished = len(units) - len(waiting) + done
            ahead = f"about {_readable(left)} left" if finished < len(units) else "the last one"
            console.say(f"{finished}/{len(units)}  {unit.name}  {ahead}")
    return found


def _results(design: Design, store: Store, seconds: float) -> Results:
    answers, took, courses = [], [], []
    size, peers = len(design.items), design.contract.peers.count
    for seed in design.request.all_seeds:
        dealt = design.dealt[seed]
        found = store.read(units_of(design.split, dealt, seed))
        answers.append(gather(seed, found.values(), dealt.values(), size, peers))
        kept = [each.course for each in found.values() if each.course]
        if (course := gather_course(seed, kept, size, peers)) is not None:
            courses.append(course)
        took += [Took(unit, each.steps, each.distance, each.seconds) for unit, each in found.items()]
    command = " ".join(["p2pme", *sys.argv[1:]])
    return Results(design, tuple(answers), tuple(took), seconds, command, tuple(courses))


def _greeting(design: Design, units: int) -> str:
    items, split, request = design.items, design.split, design.request
    unit = "sample" if split.protocol.leaks else "clip"
    subjects = len({clip.subject for clip in items.clips})
    return (
        f"{split.protocol.words}: {many(len(items), unit)} of {many(subjects, 'subject')}, "
        f"{many(len(split.folds), 'fold')}, {many(design.contract.peers.count, 'peer')}, topology "
        f"{design.contract.topology.kind}, {many(request.seeds, 'seed')}, {many(units, 'unit')}"
        f"{'' if design.device.type == 'cpu' else ', those of a seed at once on the GPU'}"
    )


def _readable(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"

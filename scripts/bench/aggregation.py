"""What each aggregation rule costs beside the weighted mean, at one neighbourhood's size, in one run.

    python scripts/bench/aggregation.py [--degree 9] [--values 263175] [--repeats 30]

Rounds of all rules alternate, so that whatever else the machine does hits them alike; a figure is the least CPU time of
the repeats, which other work disturbs least, and its ratio to the weighted mean's.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from p2pfl_me.aggregation import AGGREGATIONS, Neighbourhood


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--degree", type=int, default=9)
    parser.add_argument("--values", type=int, default=263_175)
    parser.add_argument("--repeats", type=int, default=30)
    given = parser.parse_args()
    random = np.random.default_rng(1)
    models = [random.normal(size=given.values).astype(np.float32) for _ in range(given.degree + 1)]
    others = dict(enumerate(models[1:], start=1))
    around = Neighbourhood(0, 0, 1, models[0], dict.fromkeys(others, 1 / (given.degree + 1)), others)
    options = [("trimmed_mean", {"trim": 2}), ("trimmed_mean", {"trim": 3}), ("krum", {"f": 3})]
    rules = [*((kind, AGGREGATIONS.of(kind)) for kind in AGGREGATIONS)]
    rules += [(f"{kind} {chosen}", AGGREGATIONS.of(kind, **chosen)) for kind, chosen in options]
    fitting = [(name, rule) for name, rule in rules if rule.least_neighbours <= given.degree]
    seconds: dict[str, list[float]] = {name: [] for name, _ in fitting}
    for _ in range(given.repeats + 2):
        for name, rule in fitting:
            begun = time.process_time()
            rule.aggregate(around)
            seconds[name].append(time.process_time() - begun)
    fastest = {name: min(each) for name, each in seconds.items()}
    print(f"{given.degree} neighbours, {given.values} values, {given.repeats} repeats")
    for name, each in sorted(fastest.items(), key=lambda item: item[1]):
        print(f"{name:34} {1000 * each:8.2f} ms   {each / fastest['mean']:5.2f} x the mean")


if __name__ == "__main__":
    main()

"""Every kind's schedule and what `p2pme topology show` says of it, against what somebody has looked at.

Peers compute the graph for themselves: a changed digest means that old and new peers of one contract cannot meet.
P2PME_APPROVE=1 writes the texts anew; look at what `git diff` shows then.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from p2pfl_me.cli.json_output import object_text
from p2pfl_me.contract import load_contract
from p2pfl_me.errors import ContractError
from p2pfl_me.topology import DirectedSchedule, plan_of, schedule_of
from p2pfl_me.topology.averaging import mixing_curve, rounds_to_average
from p2pfl_me.topology.kind import TOPOLOGIES
from p2pfl_me.topology.pairs import ids, named, nearest_square
from p2pfl_me.topology.summary import as_object, as_text, summarise
from tests.topology.drawing import contract_of, schedule

HERE = Path(__file__).parent
TEXTS, SCHEDULES = HERE / "approved_show.txt", HERE / "approved_schedules.json"
READY = sorted((HERE.parents[1] / "topologies").glob("*.yaml"))
CASES: dict[str, tuple[str, int, dict[str, Any]]] = {
    "large": ("regular", 70, {"degree": 4}),
    "one": ("ring", 1, {}),
    "two": ("ring", 2, {}),
    "three": ("line", 3, {}),
    "one peer of seven": ("one_peer_exponential", 7, {}),
    "directed": ("equi_dynamic", 6, {"directed": True}),
    "steady": ("equi_static", 9, {"directed": True, "shifts": 2}),
    "many": ("ring", 2001, {}),
}
KINDS = ("base", "epidemic", "epidemic_local", "equi_dynamic", "equi_static", "one_peer_exponential")
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "base": [{"meets": 1}, {"meets": 2}, {"meets": 3}],
    "epidemic": [{"meets": 2, "seed": 1}, {"meets": 4}],
    "epidemic_local": [{"sends": 1}, {"sends": 3, "seed": 2}],
    "equi_dynamic": [{}, {"directed": True, "seed": 1}, {"shifts": 2}],
    "equi_static": [{}, {"directed": True, "seed": 1}, {"shifts": 3, "seed": 4}],
    "one_peer_exponential": [{}],
}


def texts() -> dict[str, str]:
    ready = {path.stem: as_text(summarise(load_contract(path))) for path in READY}
    return ready | {
        name: as_text(summarise(contract_of(kind, count, **more))) for name, (kind, count, more) in CASES.items()
    }


def test_what_is_shown_is_what_was_approved() -> None:
    found = "\n\n".join(f"== {name}\n{text}" for name, text in sorted(texts().items())) + "\n"
    if os.environ.get("P2PME_APPROVE"):
        TEXTS.write_text(found)
    assert found == TEXTS.read_text()


def drawn(kind: str) -> dict[str, str]:
    """A digest for every number of peers: who exchanges with whom and how much, in the first 12 rounds."""
    found = {}
    for options in OPTIONS[kind]:
        for count in (*range(1, 14), 16, 25):
            try:
                plan = plan_of(contract_of(kind, count, **options))
            except ContractError:
                continue
            rounds = [
                [(arc.sender, arc.receiver, round(arc.weight, 9)) for arc in plan.arcs(at)]
                if isinstance(plan, DirectedSchedule)
                else [(edge.a, edge.b, round(edge.weight, 9)) for edge in plan.edges(at)]
                for at in range(12)
            ]
            met = [plan.neighbours(peer) for peer in range(count)]
            text = repr((plan.period, rounds, met))
            found[f"{json.dumps(options)} {count}"] = hashlib.sha256(text.encode()).hexdigest()[:8]
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_schedules_are_the_same_on_every_machine_and_version(kind: str) -> None:
    if os.environ.get("P2PME_APPROVE"):
        known = json.loads(SCHEDULES.read_text()) if SCHEDULES.exists() else {}
        SCHEDULES.write_text(json.dumps(dict(sorted({**known, kind: drawn(kind)}.items())), indent=0) + "\n")
    assert drawn(kind) == json.loads(SCHEDULES.read_text())[kind]


def test_a_summary_for_programs_names_what_it_says() -> None:
    said = json.loads(object_text(as_object(summarise(contract_of("ring", 4)), Path("ring.png"))))
    figures = said.pop("figures")
    assert said == {
        "format": 1,
        "name": said["name"],
        "kind": "ring",
        "directed": False,
        "peers": 4,
        "period": 1,
        "edges": [[0, 1, 1 / 3], [0, 3, 1 / 3], [1, 2, 1 / 3], [2, 3, 1 / 3]],
        "degrees": [2, 2, 2, 2],
        "weights": "metropolis, 0.3333 an edge",
        "picture": "ring.png",
    }
    assert (figures["edges"], figures["diameter"], figures["models_per_round"]) == (4, 2, 2)
    assert figures["beta"] == pytest.approx(1 / 3) and figures["gap"] == pytest.approx(2 / 3)
    assert figures["rms"] == pytest.approx(np.sqrt(3 / 27)) and figures["rounds_to_consensus"] == 7
    assert json.loads(object_text(as_object(summarise(contract_of("ring", 4), 2), None)))["edges"] == said["edges"][:2]


def test_the_course_of_mixing_alone_is_that_of_the_eigenvalues() -> None:
    curve = mixing_curve(schedule("ring", 4), 3)
    np.testing.assert_allclose(curve, [np.sqrt(3 * 9.0**-power / 3) for power in range(4)])
    np.testing.assert_array_equal(mixing_curve(schedule("mesh", 5), 2), [1, 0, 0])
    np.testing.assert_array_equal(mixing_curve(schedule("ring", 1), 2), [1, 0, 0])


def test_rounds_that_average_are_counted_to_the_very_one() -> None:
    assert [rounds_to_average(schedule("ring", 4), error) for error in (0.5, 0.34, 0.33, 0.1, 0.01)] == [1, 1, 2, 3, 5]
    assert rounds_to_average(schedule("mesh", 6), 1e-6) == 1 and rounds_to_average(schedule("ring", 1), 0.1) == 1
    base = schedule_of(contract_of("base", 8, meets=1))
    assert rounds_to_average(base, 1e-9) == base.period == 3


def test_ids_and_squares() -> None:
    assert ids([0, 1, 2, 4, 6, 7]) == "0..2, 4, 6, 7" and ids([5]) == "5" and ids([3, 4]) == "3, 4"
    assert ids(range(0, 24, 2)) == "0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22"
    assert ids(range(0, 26, 2)).endswith("20, 22, ...")
    assert named([2]) == "peer 2" and named([0, 1, 2, 5]) == "peers 0..2, 5"
    assert [nearest_square(count) for count in (1, 7, 12, 16, 30)] == [(1, 1), (1, 7), (3, 4), (4, 4), (5, 6)]
    assert TOPOLOGIES["torus"].example(12) == {"rows": 3, "columns": 4}

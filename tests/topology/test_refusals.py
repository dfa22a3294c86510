"""Every refusal of this room in full, cause by cause, against words that somebody has read; and what just passes.

P2PME_APPROVE=1 writes `approved_refusals.txt` anew; look at what `git diff` shows then.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from p2pfl_me.aggregation import AGGREGATIONS
from p2pfl_me.contract import Contract, contract_from_yaml
from p2pfl_me.errors import ContractError
from p2pfl_me.topology import plan_of
from p2pfl_me.topology.enough import fewest_neighbours, least_in_a_sum, most_in_common, require_neighbours
from tests.topology.drawing import contract_of, schedule

APPROVED = Path(__file__).parent / "approved_refusals.txt"
REFUSED: list[tuple[str, int, str]] = [
    ("{kind: ring}", 6, "gossip: {aggregation: krum}"),
    ("{kind: ring}", 6, "gossip: {aggregation: {kind: trimmed_mean, trim: 2}}"),
    ("{kind: line}", 6, "gossip: {aggregation: median}"),
    ("{kind: regular, degree: 3}", 6, "gossip: {aggregation: {kind: krum, f: 2}}"),
    ("{kind: mesh}", 1, "gossip: {aggregation: median}"),
    ("{kind: epidemic, meets: 2}", 6, "gossip: {aggregation: krum}"),
    ("{kind: ring}", 6, "privacy: {exchange: masks}"),
    ("{kind: line}", 6, "privacy: {exchange: masks}"),
    ("{kind: line}", 6, "privacy: {exchange: {kind: masks, allow_pairs: true}}"),
    ("{kind: ring}", 6, "privacy: {exchange: {kind: masks, colluders: 1}}"),
    ("{kind: regular, degree: 4}", 6, "privacy: {exchange: {kind: masks, colluders: 1}}"),
    ("{kind: equi_static, directed: true}", 7, "gossip: {protocol: dpsgd}"),
    ("{kind: epidemic_local}", 7, "gossip: {protocol: dpsgd}"),
    ("{kind: hypercube}", 6, ""),
    ("{kind: hypercube}", 9, ""),
    ("{kind: small_world, neighbours: 2}", 2, ""),
    ("{kind: small_world, neighbours: 6}", 6, ""),
    ("{kind: small_world, neighbours: 3}", 8, ""),
    ("{kind: small_world, neighbours: 5}", 7, ""),
    ("{kind: small_world, neighbours: 5}", 6, ""),
    ("{kind: small_world, neighbours: 1}", 6, ""),
    ("{kind: epidemic, meets: 5}", 5, ""),
    ("{kind: epidemic, meets: 3}", 5, ""),
    ("{kind: epidemic, meets: 1}", 3, ""),
    ("{kind: epidemic, meets: 2}", 2, ""),
    ("{kind: epidemic_local, sends: 5}", 5, "gossip: {protocol: push_sum}"),
    ("{kind: epidemic_local, sends: 2}", 2, "gossip: {protocol: push_sum}"),
    ("{kind: edges, edges: [[0, 1], [1, 1]]}", 3, ""),
    ("{kind: edges, edges: [[0, 1], [1, 3]]}", 3, ""),
    ("{kind: edges, edges: [[0, 1]]}", 3, ""),
    ("{kind: star, center: 3}", 3, ""),
    ("{kind: regular, degree: 5}", 5, ""),
    ("{kind: regular, degree: 3}", 5, ""),
    ("{kind: regular, degree: 1}", 3, ""),
    ("{kind: regular, degree: 1}", 4, ""),
    ("{kind: regular, degree: 2}", 1, ""),
    ("{kind: torus, rows: 2, columns: 3}", 12, ""),
    ("{kind: torus, rows: 3, columns: 5}", 7, ""),
    ("{kind: regular, degree: 251}", 8000, ""),
    ("{kind: random, probability: 0.5}", 3000, ""),
    ("{kind: small_world, neighbours: 300}", 9000, ""),
    ("{kind: random, probability: 0.001}", 20, ""),
    ("{kind: ring}", 65, "gossip: {weights: optimal}"),
    ("{kind: star}", 2001, "gossip: {weights: constant}"),
    ("{kind: star}", 6, "gossip: {weights: {kind: optimal, edges: [[1, 2, 0.5]]}}"),
]
WIDTHS = "peers: {loopback: {count: 6}, widths: {1: 0.5, 4: 0.5, 5: 0.25}}"
SHORT = "peers: {loopback: {count: 5}, widths: {1: 0.5, 4: 0.5}}"


PASSES: list[tuple[str, int, str]] = [
    ("{kind: mesh}", 1, ""),
    ("{kind: regular, degree: 4}", 6, "gossip: {aggregation: krum}"),
    ("{kind: mesh}", 5, "gossip: {aggregation: krum}"),
    ("{kind: ring}", 6, "gossip: {aggregation: median}"),
    ("{kind: star}", 6, "gossip: {aggregation: balance}"),
    ("{kind: regular, degree: 3}", 6, "privacy: {exchange: masks}"),
    ("{kind: ring}", 6, "privacy: {exchange: {kind: masks, allow_pairs: true}}"),
    ("{kind: mesh}", 5, "privacy: {exchange: {kind: masks, colluders: 1}}"),
    ("{kind: epidemic, meets: 4}", 5, ""),
    ("{kind: epidemic, meets: 1}", 4, ""),
    ("{kind: epidemic, meets: 2}", 1, ""),
    ("{kind: epidemic_local, sends: 4}", 5, "gossip: {protocol: push_sum}"),
    ("{kind: epidemic_local, sends: 1}", 2, "gossip: {protocol: push_sum}"),
    ("{kind: epidemic_local, sends: 3}", 1, "gossip: {protocol: push_sum}"),
    ("{kind: edges, edges: [[0, 1], [1, 2]]}", 3, ""),
    ("{kind: star, center: 2}", 3, ""),
    ("{kind: regular, degree: 4}", 5, ""),
    ("{kind: regular, degree: 1}", 2, ""),
    ("{kind: small_world, neighbours: 2}", 3, ""),
    ("{kind: small_world, neighbours: 4}", 6, ""),
    ("{kind: torus, rows: 3, columns: 4}", 12, ""),
    ("{kind: ring}", 3, "gossip: {weights: constant}"),
]


def contract(topology: str, peers: str, more: str = "") -> Contract:
    return contract_from_yaml(f"version: 1\nname: t\ntopology: {topology}\n{peers}\n{more}\n")


def refusal(topology: str, count: int, more: str) -> str:
    with pytest.raises(ContractError) as caught:
        plan_of(contract(topology, f"peers: {{loopback: {{count: {count}}}}}", more))
    return str(caught.value)


def test_refusals_say_what_was_approved() -> None:
    found = [f"== {topology} {count} {more}\n{refusal(topology, count, more)}" for topology, count, more in REFUSED]
    for topology, peers in (("{kind: ring}", WIDTHS), ("{kind: line}", WIDTHS), ("{kind: ring}", SHORT)):
        with pytest.raises(ContractError) as caught:
            plan_of(contract(topology, peers))
        found.append(f"== {topology} {peers}\n{caught.value}")
    text = "\n\n".join(found) + "\n"
    if os.environ.get("P2PME_APPROVE"):
        APPROVED.write_text(text, encoding="utf-8")
    assert text == APPROVED.read_text(encoding="utf-8")


def test_what_just_fits_passes() -> None:
    for topology, count, more in PASSES:
        assert plan_of(contract(topology, f"peers: {{loopback: {{count: {count}}}}}", more)).size == count
    for topology in ("{kind: mesh}", "{kind: regular, degree: 4}"):
        assert plan_of(contract(topology, WIDTHS)).size == 6


@pytest.mark.parametrize("narrow", [0, 3])
def test_who_has_left_is_no_group_that_others_could_be_cut_off_from(narrow: int) -> None:
    members = [
        f"{{id: {peer}, address: 'tcp://127.0.0.1:{5000 + peer}', left: {str(peer in (3, 4)).lower()}}}"
        for peer in range(5)
    ]
    some = f"peers: {{members: [{', '.join(members)}], widths: {{{narrow}: 0.5}}}}"
    assert plan_of(contract("{kind: ring}", some)).size == 5
    alone = f"peers: {{members: [{members[0]}, {members[3].replace('id: 3', 'id: 1')}], widths: {{1: 0.5}}}}"
    assert plan_of(contract("{kind: mesh}", alone)).size == 2
    with pytest.raises(ContractError, match=r"without narrower ones: \{0\} and \{2\}"):
        plan_of(contract("{kind: line}", some.replace("{0: 0.5}", "{1: 0.5}").replace("{3: 0.5}", "{1: 0.5}")))


def test_rules_that_a_refusal_offers_are_those_that_would_do() -> None:
    for topology, count in (("ring", 6), ("line", 6), ("regular", 6)):
        graph = schedule(topology, count, **({"degree": 3} if topology == "regular" else {}))
        fewest = min(len(graph.weights(peer, 0)) for peer in range(count))
        least = {kind: AGGREGATIONS.of(kind).least_neighbours for kind in AGGREGATIONS}
        would_do = [kind for kind in AGGREGATIONS if AGGREGATIONS[kind].robust and least[kind] <= fewest]
        for kind in AGGREGATIONS:
            if least[kind] <= fewest:
                require_neighbours(AGGREGATIONS.of(kind), graph)
            else:
                with pytest.raises(ContractError) as caught:
                    require_neighbours(AGGREGATIONS.of(kind), graph)
                assert caught.value.fix == f"take {' or '.join(would_do)}, or a graph with more links"


def test_the_first_with_too_few_is_named_and_who_meets_nobody_for_a_round_is_not() -> None:
    assert fewest_neighbours(schedule("line", 5), 2) == (0, 1) and fewest_neighbours(schedule("line", 5), 1) is None
    assert fewest_neighbours(schedule("star", 4), 3) == (1, 1) and fewest_neighbours(schedule("ring", 1), 1) == (0, 0)
    pairs = plan_of(contract_of("base", 5, meets=1))
    assert any(not pairs.weights(peer, at) for peer in range(5) for at in range(pairs.period or 0))  # type: ignore[union-attr]
    assert fewest_neighbours(pairs, 1) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "count", "common", "least"),
    [
        ("ring", 4, 2, 5),
        ("ring", 6, 1, 4),
        ("line", 5, 1, 4),
        ("mesh", 6, 4, 5),
        ("star", 6, 1, 4),
        ("torus", 16, 2, 5),
    ],
)
def test_neighbours_in_common_say_how_many_models_a_sum_needs(kind: str, count: int, common: int, least: int) -> None:
    graph = schedule(kind, count, **({"rows": 4, "columns": 4} if kind == "torus" else {}))
    assert most_in_common(graph) == common and most_in_common(schedule("ring", 1)) == 0
    form = contract("{kind: mesh}", "peers: {loopback: {count: 6}}", "privacy: {exchange: {kind: masks, colluders: 1}}")
    alone = contract("{kind: mesh}", "peers: {loopback: {count: 6}}", "privacy: {exchange: masks}")
    assert least_in_a_sum(form.privacy.exchange, graph) == least
    assert least_in_a_sum(alone.privacy.exchange, graph) == 3

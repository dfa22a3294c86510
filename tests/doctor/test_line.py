"""The arithmetic of a model on a line against the deadline, in figures that anybody can follow."""

from __future__ import annotations

import pytest

from p2pfl_me.contract import Contract, contract_from_yaml
from p2pfl_me.doctor.finding import Verdict
from p2pfl_me.doctor.line import Line, weigh
from p2pfl_me.peer.schema import schema_of


def contract(model: str = "{trainable: block5}", gossip: str = "{}") -> Contract:
    peers = "{loopback: {count: 5}}"
    return contract_from_yaml(
        f"version: 1\nname: x\ntopology: {{kind: ring}}\npeers: {peers}\nmodel: {model}\ngossip: {gossip}\n"
    )


def sent(about: Contract) -> int:
    schema = schema_of(about, about.model.layout)
    return schema.packed or 4 * schema.size


@pytest.mark.parametrize(
    ("mbit", "model", "gossip", "verdict", "seconds"),
    [
        (1, "{trainable: block5}", "{}", Verdict.BAD, "470 s"),
        (10, "{trainable: block5}", "{}", Verdict.NOTE, "47 s"),
        (1, "{trainable: head}", "{}", Verdict.GOOD, "16.8 s"),
        (1, "{trainable: block5}", "{deadline: {max_s: 600}}", Verdict.NOTE, "470 s"),
        (1, "{trainable: block5}", "{protocol: push}", Verdict.GOOD, "470 s"),
        (1, "{trainable: block5}", "{compression: int4}", Verdict.NOTE, "62.4 s"),
    ],
)
def test_a_model_is_weighed_against_line_and_deadline(
    mbit: float, model: str, gossip: str, verdict: Verdict, seconds: str
) -> None:
    about = contract(model, gossip)
    found = weigh("line", about, sent(about), Line.of_rate(mbit * 1e6))
    assert found.verdict is verdict, found.says
    assert seconds in found.says and f"at {mbit:g} Mbit/s each way" in found.says
    assert found.fix or verdict is Verdict.GOOD


def test_the_remedy_of_a_deadline_that_is_too_short_is_one() -> None:
    about = contract()
    line = Line.of_rate(1e6)
    fix = weigh("line", about, sent(about), line).fix
    named = int(fix.split("gossip.deadline.max_s above ")[1].split(",")[0])
    mended = contract(gossip=f"{{deadline: {{max_s: {named + 1}}}}}")
    assert weigh("line", mended, sent(mended), line).verdict is not Verdict.BAD


def test_what_was_measured_scales_to_the_model_and_the_delay_does_not() -> None:
    line = Line(size=1000, seconds=0.3, trip_s=0.1)
    assert line.exchange_s(10_000) == pytest.approx(0.1 + 2.0)
    assert line.bits_per_s == pytest.approx(80_000)
    two = weigh("line", contract(), 10_000, line, shared_by=2)
    assert "4.2 s for 2 neighbours" in two.says


def test_a_chain_of_ciphertexts_sends_twice_what_one_model_takes() -> None:
    text = "version: 1\nname: x\ntopology: {kind: mesh}\npeers: {loopback: {count: 5}}\n"
    masks, ckks = (
        weigh("line", contract_from_yaml(f"{text}privacy: {{exchange: {form}}}\n"), 1_000_000, Line.of_rate(8e6)).says
        for form in ("masks", "ckks")
    )
    assert "1 MB there and back" in masks and "take 2 s" in masks
    assert "2 times 1 MB there and back" in ckks and "take 4 s" in ckks

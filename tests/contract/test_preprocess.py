"""`model.input` and `model.preprocess`: old contracts mean what they meant, and equal agreements have equal digests."""

from __future__ import annotations

import pytest

from p2pfl_me.contract import Contract, contract_from_yaml, digest, dump_contract
from p2pfl_me.contract.preprocess import Input, Preprocess, Region
from p2pfl_me.errors import ContractError

BASE = "version: 1\nname: t\ntopology: {kind: ring}\npeers: {loopback: {count: 3}}\n"


def contract(model: str = "") -> Contract:
    return contract_from_yaml(BASE + (f"model: {model}\n" if model else ""))


def test_a_contract_that_says_nothing_means_what_it_always_meant() -> None:
    model = contract().model
    assert model.input is Input.IMAGE and model.preprocess == Preprocess()
    assert digest(contract("{input: flow, preprocess: {align: none, flow: dis, mask: none, magnify: none}}")) == digest(
        contract("{input: flow}")
    )


def test_apex_is_another_name_for_the_image_of_a_folder() -> None:
    assert digest(contract("{input: apex}")) == digest(contract("{input: image}"))


def test_one_mask_has_one_digest_however_it_is_written() -> None:
    written = ["[mouth, brows]", "[brows, mouth, brows]"]
    found = [contract(f"{{preprocess: {{align: face, mask: {each}}}}}") for each in written]
    assert found[0].model.preprocess.mask == (Region.BROWS, Region.MOUTH)
    assert len({digest(each) for each in found}) == 1
    assert contract("{preprocess: {align: face, mask: eyes}}").model.preprocess.mask == (Region.EYES,)


@pytest.mark.parametrize(
    "options",
    [
        "{align: face, faceless: refuse, flow: farneback, head_motion: nose, scale: image, apex: middle, mask: face}",
        "{apex: given, apex_unknown: greatest_flow, frames: 9, magnify: {alpha: 10, low_hz: 1, high_hz: 15}}",
    ],
)
def test_every_option_survives_a_dump_and_changes_the_digest(options: str) -> None:
    made = contract(f"{{input: frames, preprocess: {options}}}")
    assert digest(contract_from_yaml(dump_contract(made))) == digest(made) != digest(contract("{input: frames}"))


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("{input: film}", "model.input"),
        ("{preprocess: {align: nose}}", "model.preprocess.align"),
        ("{preprocess: {mask: mouth}}", "`mask` needs `align: face`"),
        ("{preprocess: {align: face, mask: [mouth, ear]}}", "model.preprocess.mask"),
        ("{preprocess: {head_motion: nose}}", "`head_motion: nose` needs `align: face`"),
        ("{preprocess: {magnify: {alpha: 10, low_hz: 5, high_hz: 5}}}", "must be below high_hz"),
        ("{preprocess: {magnify: {alpha: 10}}}", "low_hz"),
        ("{preprocess: {apex_unknown: given}}", "middle or greatest_flow"),
        ("{preprocess: {frames: 0}}", "model.preprocess.frames"),
        ("{preprocess: {allign: face}}", "did you mean `align`"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_key(model: str, said: str) -> None:
    with pytest.raises(ContractError) as caught:
        contract(model)
    assert said in str(caught.value)

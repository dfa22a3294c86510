"""Where peers train: a GPU is there for whoever gains by it, and for whoever asks."""

from __future__ import annotations

import pytest
import torch

from p2pfl_me.contract import Contract, contract_from_yaml
from p2pfl_me.contract.template import contract_text
from p2pfl_me.errors import DataError
from p2pfl_me.learning.device import device_of_peer

KEY = "rqLjSSHqVnsHj2ZbBCvKLrNWdOSGkDkTIq8+wO2AbSc="


def sharing(*overrides: str) -> Contract:
    return contract_from_yaml(contract_text("ring", 3, overrides=overrides))


@pytest.mark.parametrize(
    ("overrides", "kind"),
    [
        ((), "cpu"),
        (("model.backbone=ststnet",), "cpu"),
        (("model.backbone=mlp",), "cpu"),
        (("model.trainable=block5",), "cuda"),
        (("model.backbone=off_apexnet",), "cuda"),
        (("model.backbone={kind: ststnet, normalisation: group}",), "cuda"),
    ],
)
def test_peers_of_one_machine_leave_the_gpu_alone_where_steps_are_short(
    overrides: tuple[str, ...], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = sharing(*overrides)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for peer in range(3):
        assert device_of_peer("auto", contract, peer).type == kind
        assert device_of_peer("cuda", contract, peer).type == "cuda"
        assert device_of_peer("cpu", contract, peer).type == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_of_peer("auto", contract, 0).type == "cpu"
    with pytest.raises(DataError, match="no CUDA device"):
        device_of_peer("cuda", contract, 0)


def test_a_peer_alone_on_its_machine_takes_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = f'address: "tcp://127.0.0.1:7000", public_key: {KEY}', "address: tcp://lab.example:7000"
    other = KEY.replace("rq", "sq")
    members = f"peers: {{members: [{{id: 0, {here}}}, {{id: 1, {there}, public_key: {other}}}]}}"
    contract = contract_from_yaml(f"version: 1\nname: two\ntopology: {{kind: ring}}\n{members}\n")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert [device_of_peer("auto", contract, peer).type for peer in (0, 1)] == ["cpu", "cuda"]

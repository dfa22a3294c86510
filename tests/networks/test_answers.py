"""Peers whose networks are laid out alike and compute something else find out, without a line of code being sent."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from p2pfl_me.cli.main import cli
from p2pfl_me.contract import Contract, contract_from_yaml, digest, dump_contract, section_digests
from p2pfl_me.contract.history import breaks
from p2pfl_me.errors import NetworkError, RunError
from p2pfl_me.learning.own import with_network
from p2pfl_me.networks.kinds.own import Own
from p2pfl_me.run.beginning import keep_contract
from tests.networks.test_own import BASE

TEXT = """\
import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, stride=2).requires_grad_(False)
        self.norm = nn.BatchNorm2d(4, momentum=0.1)
        self.drop = nn.Dropout(0.3)
        self.fc = nn.Linear(4, classes)
        self.register_buffer("scale", torch.linspace(1, 2, 4), persistent=False)

    def forward(self, x):
        x = torch.relu(self.norm(self.stem(x))).mean(dim=(2, 3))
        x = x.float() * self.scale + torch.zeros(4)
        return self.fc(self.drop(x)) * 1.0


def build(classes):
    return Net(classes)


build.input_size = 12
"""


def agreed(tmp_path: Path, *changes: tuple[str, str], name: str = "a") -> Contract:
    return with_network(contract_from_yaml(BASE), f"{written(tmp_path, *changes, name=name)}:build")


def written(tmp_path: Path, *changes: tuple[str, str], name: str = "a") -> Path:
    text = TEXT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (tmp_path / f"{name}.py").write_text(text)
    return tmp_path / f"{name}.py"


OTHERS = {
    "activation": ("torch.relu(", "torch.tanh("),
    "a leak": ("torch.relu(", "F.leaky_relu("),
    "constant": ("linspace(1, 2, 4)", "linspace(1, 2.1, 4)"),
    "factor": ("* 1.0", "* 1.01"),
    "rate of dropout": ("Dropout(0.3)", "Dropout(0.35)"),
    "kind of dropout": ("nn.Dropout(0.3)", "nn.AlphaDropout(0.3)"),
    "no dropout": ("self.drop(x)", "x"),
    "gradient": ("self.fc(self.drop(x))", "self.fc(self.drop(x.detach() * 2 - x))"),
    "momentum": ("momentum=0.1", "momentum=0.2"),
    "order": ("torch.relu(self.norm(self.stem(x)))", "self.norm(torch.relu(self.stem(x)))"),
}


@pytest.mark.few(1)
@pytest.mark.parametrize("what", OTHERS)
def test_another_forward_pass_of_one_layout_is_refused_and_says_where(what: str, tmp_path: Path) -> None:
    ours, theirs = agreed(tmp_path), agreed(tmp_path, OTHERS[what], name="b")
    mine, other = ours.model.backbone, theirs.model.backbone
    assert isinstance(mine, Own) and isinstance(other, Own)
    assert (mine.sha256, mine.frozen_sha256) == (other.sha256, other.frozen_sha256)
    differ = {key for key, value in section_digests(ours).items() if section_digests(theirs)[key] != value}
    assert differ == {"model.backbone.answers"}, "labs that state it themselves refuse each other by these words"
    assert breaks(ours, theirs) == ("model.backbone.answers",), "and no run goes on with it"
    keep_contract(tmp_path / "run", ours)
    (tmp_path / "run" / "checkpoint-0.safetensors").touch()
    with pytest.raises(RunError, match="a run of another version of the network's file"):
        keep_contract(tmp_path / "run", theirs)
    stated = contract_from_yaml(dump_contract(ours))
    with pytest.raises(NetworkError, match=r"computes something else with them: .*, by the contract -?\d") as caught:
        with_network(stated, f"{tmp_path}/b.py:build")
    assert caught.value.where == f"{tmp_path}/b.py:build" and "version of the file" in caught.value.fix


def test_code_written_otherwise_is_the_same_network_on_any_processor(tmp_path: Path) -> None:
    ours = agreed(tmp_path)
    theirs = agreed(
        tmp_path,
        ("torch.relu(self.norm(self.stem(x))).mean(dim=(2, 3))", "self.norm(self.stem(x)).clamp(min=0).mean((2, 3))"),
        ("self.drop(x)) * 1.0", "F.dropout(x, 0.3, self.training))"),
        ("x.float()", "x.to(torch.float32)"),
        ("self.drop = nn.Dropout(0.3)", "pass  # none"),
        name="b",
    )
    assert digest(theirs) == digest(ours)
    with torch.backends.mkldnn.flags(enabled=False):
        assert digest(agreed(tmp_path)) == digest(ours), "other kernels round elsewhere"


def test_the_last_digit_alone_refuses_nobody(tmp_path: Path) -> None:
    text = dump_contract(agreed(tmp_path))
    own = contract_from_yaml(text).model.backbone
    assert isinstance(own, Own) and own.answers is not None
    said = own.answers.evaluation[0]
    for off, fits in ((1e-4, True), (5e-3, False)):
        largest = max(map(abs, own.answers.evaluation))
        stated = contract_from_yaml(text.replace(f"{said}", f"{said + off * largest}"))
        if fits:
            with_network(stated, f"{tmp_path}/a.py:build")
        else:
            with pytest.raises(NetworkError, match="scores in evaluation"):
                with_network(stated, f"{tmp_path}/a.py:build")


def test_a_contract_that_says_nothing_of_it_is_taken_as_before(tmp_path: Path) -> None:
    ours = agreed(tmp_path)
    silent = ours.model.backbone.model_copy(update={"answers": None})
    contract = ours.model_copy(update={"model": ours.model.model_copy(update={"backbone": silent})})
    assert "answers" not in dump_contract(contract)
    written(tmp_path, OTHERS["activation"], name="b")
    again = with_network(contract_from_yaml(dump_contract(contract)), f"{tmp_path}/b.py:build")
    assert digest(again) == digest(contract)


LAST = "return self.fc(self.drop(x)) * 1.0"


@pytest.mark.parametrize(
    ("last", "says"),
    [
        ("return self.fc(self.drop(x)) + self.training * torch.rand(3)", "draws by other means than dropout"),
        ("return self.fc(self.drop(x)) if str(x.dtype)[-2:] == '32' else None", "cannot be asked in double precision"),
    ],
)
def test_what_cannot_be_compared_is_said(last: str, says: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["network", "check", f"{written(tmp_path, (LAST, last))}:build"])
    assert done.exit_code == 0 and says in done.output, done.output


def test_a_contract_that_states_no_answers_has_the_digest_that_it_had_before_there_were_any(tmp_path: Path) -> None:
    contract = agreed(tmp_path)
    own = contract.model.backbone
    assert isinstance(own, Own)
    older = contract.model_copy(
        update={"model": contract.model.model_copy(update={"backbone": own.model_copy(update={"answers": None})})}
    )
    assert "answers" not in older.model_dump(mode="json")["model"]["backbone"]
    assert "model.backbone.answers" not in section_digests(older)

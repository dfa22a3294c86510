"""A user's own network: what works trains with the same bits wherever it runs, each slip is told in words."""

from __future__ import annotations

import pickle
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from p2pfl_me.contract import Contract, contract_from_yaml, digest, dump_contract, section_digests
from p2pfl_me.errors import ContractError, NetworkError
from p2pfl_me.learning.network import assemble, initial_params
from p2pfl_me.learning.own import examine, with_network
from p2pfl_me.learning.trainer import Part, Samples, make_trainer
from p2pfl_me.networks import Group
from p2pfl_me.networks.code import Code
from p2pfl_me.networks.kinds.own import Own
from tests.networks import mylab

FILE = Path(mylab.__file__)
BASE = """\
version: 1
name: t
topology: {kind: ring}
peers:
  loopback: {count: 3}
model: {backbone: vgg16, trainable: head, classes: [a, b, c]}
training: {local_epochs: 2, batch_size: 4}
"""


def of(name: str, *more: str, trained: tuple[str, ...] = ()) -> Contract:
    contract = contract_from_yaml(BASE, overrides=more, another_network=True)
    return with_network(contract, f"{FILE}:{name}", trained=trained)


def drawn(count: int, seed: int = 0) -> Part:
    generator = np.random.default_rng(seed)
    bank = generator.normal(size=(count, 3 * 16 * 16)).astype(np.float32)
    return Part(bank, np.arange(count), generator.integers(0, 3, count), np.arange(count))


@pytest.mark.few(2)
@pytest.mark.parametrize("name", ["build", "frozen", "flat_norm", "spectral", "scalar"])
def test_it_trains_by_its_seed_and_from_one_clip_on(name: str, tmp_path: Path) -> None:
    contract = with_network(contract_from_yaml(BASE), f"{FILE}:{name}", side=16)
    start = initial_params(contract, cache=tmp_path)
    assert start.shape == (contract.model.layout.size,)
    for count in (9, 1):
        samples = Samples(drawn(count), None, drawn(5, 1))
        one = make_trainer(contract, 1, samples, "cpu").train(start, 3)
        trainer = make_trainer(contract, 1, samples, "cpu")
        trainer.train(start, 0)
        assert trainer.evaluate(start, "test") is not None
        assert trainer.train(start, 3).params.tobytes() == one.params.tobytes()
        assert np.isfinite(one.params).all() and (one.params != start).any()


def test_what_is_frozen_stays_and_never_travels(tmp_path: Path) -> None:
    contract = of("frozen")
    names = {name for name, _ in contract.model.layout.shapes}
    assert not any(name.startswith("stem") for name in names)
    assert {"body.1.running_mean", "body.1.running_var"} <= names, "statistics of what is trained travel"
    start = initial_params(contract, cache=tmp_path)
    trained = make_trainer(contract, 0, Samples(drawn(9)), "cpu").train(start, 0).params
    before, after = (assemble(contract, params, cache=tmp_path).state_dict() for params in (start, trained))
    for name in before:
        if name.startswith("stem"):
            assert torch.equal(before[name], after[name]), name
    assert not torch.equal(before["fc.weight"], after["fc.weight"])
    other = contract.model_copy(update={"seed": 9})
    assert (initial_params(other, cache=tmp_path) != start).any(), "what is trained starts by the contract's seed"
    again = assemble(other, start, cache=tmp_path).state_dict()
    assert torch.equal(again["stem.0.weight"], before["stem.0.weight"]), "what is frozen does not"


def test_a_named_part_is_trained_alone() -> None:
    contract = of("build", trained=("fc",))
    assert [name for name, _ in contract.model.layout.shapes] == ["fc.weight", "fc.bias"]
    with pytest.raises(NetworkError, match="has no part `head`") as caught:
        of("build", trained=("head",))
    assert "stem, body, fc" in caught.value.fix


def test_groups_are_what_they_are_to_gossip() -> None:
    layout = of("build").model.layout
    groups = dict(zip([name for name, _ in layout.shapes], layout.groups, strict=True))
    assert {name for name, group in groups.items() if group is Group.LAST_LAYER} == {"fc.weight", "fc.bias"}
    assert groups["stem.1.weight"] == groups["body.1.running_var"] == Group.NORMALISATION
    assert groups["stem.0.weight"] is Group.BODY


def test_the_contract_states_the_layout_and_no_code() -> None:
    contract = of("frozen")
    text = dump_contract(contract)
    assert "mylab.py" not in text and str(FILE) not in text and "stem" not in text
    stated = contract_from_yaml(text)
    assert digest(stated) == digest(contract)
    with pytest.raises(NetworkError, match=r"each lab's own code[\s\S]*--network"):
        make_trainer(stated, 0, Samples(drawn(4)), "cpu")
    bound = with_network(stated, f"{FILE}:frozen")
    assert digest(bound) == digest(contract)
    make_trainer(bound, 0, Samples(drawn(4)), "cpu")


def test_other_processes_find_the_code_by_its_name() -> None:
    for given in (f"{FILE}:build", mylab.build):
        contract = with_network(contract_from_yaml(BASE), given)
        sent = pickle.loads(pickle.dumps(contract))
        assert digest(sent) == digest(contract)
        make_trainer(sent, 0, Samples(drawn(4)), "cpu")
    local = with_network(contract_from_yaml(BASE), lambda classes: mylab.Net(classes, 16), side=16)
    make_trainer(local, 0, Samples(drawn(4)), "cpu")
    with pytest.raises(NetworkError, match="where other processes cannot find it"):
        pickle.dumps(local)


def test_code_of_another_layout_is_refused_and_says_where() -> None:
    stated = contract_from_yaml(dump_contract(of("build")))
    with pytest.raises(NetworkError, match=r"body\.0\.weight` has shape \(8, 4, 3, 3\), the contract says \(6, 4"):
        with_network(stated, f"{FILE}:wider")
    frozen = contract_from_yaml(dump_contract(of("frozen")))
    assert section_digests(frozen).keys() == section_digests(stated).keys()
    differ = {key for key, value in section_digests(frozen).items() if section_digests(stated)[key] != value}
    assert differ == {"model.backbone", "model.backbone.answers"}, "what the peers' refusal names"
    with pytest.raises(NetworkError, match="of which the contract says nothing"):
        with_network(
            contract_from_yaml(
                dump_contract(of("build", trained=("fc",))).replace(
                    f"frozen_sha256: {of('build', trained=('fc',)).model.backbone.frozen_sha256}",
                    "frozen_sha256: null",  # type: ignore[attr-defined]
                )
            ),
            f"{FILE}:build",
        )


def test_frozen_values_that_differ_are_refused(tmp_path: Path) -> None:
    text = dump_contract(of("frozen"))
    copy = tmp_path / "theirs.py"
    copy.write_text(
        FILE.read_text().replace(
            "module.stem.requires_grad_(False)",
            "module.stem.requires_grad_(False)\n    nn.init.ones_(module.stem[0].weight)",
        )
    )
    with pytest.raises(NetworkError, match="the values of its frozen layers differ"):
        with_network(contract_from_yaml(text), f"{copy}:frozen")


@pytest.mark.few(12)
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("fixed", r"scores of shape \(4, 5\) for 4 samples of 3 classes"),
        ("tuples", "gives a tuple"),
        ("nan", "NaN or infinite scores"),
        ("halved", "scores of torch.float16"),
        ("moody_by_torch", "another layout each time it is built"),
        ("lazy", "gets its shape from the first input"),
        ("all_frozen", "has nothing to train"),
        ("forgetful", r"counts in `calls` from call to call \(1, then 2\)"),
        ("late", "counts in `calls` from call to call"),
        ("dicey", "two steps from the same seed end in different models"),
        ("two_headed", r"gives scores of shape \(4, 5\) in training"),
        ("tuple_in_training", "gives a tuple in training"),
        ("swapping", "its forward replaces the parameter `fc.weight`"),
        ("growing", "its forward makes the parameter `late.weight`"),
        ("unregistered", r"a tensor of shape \(3, 3\) that asks for gradients and is no parameter"),
        ("siamese", r"`(fc\.weight|twin)` are two parameters in the same memory"),
        ("expanded", r"`scale` of shape \(3,\) repeats one value in memory"),
        ("by_the_batch", "other scores beside others than alone"),
        ("stubborn", "takes no trained model: load_state_dict fails: KeyError"),
        ("cumulative", "give it a momentum"),
        ("double", "models travel as float32"),
        ("in_place", "changes its inputs in place"),
        ("restless", "gives other scores when it is asked again"),
        ("scripted", "gives a scripted module"),
        ("meta", r"has a shape and no values \(device meta\)"),
        ("inference", "was made in torch.inference_mode"),
        ("squeezed", r"of shape \(3,\) for 1 samples of 3 classes, not \(1, 3\)[\s\S]*no squeeze"),
        ("leaving", "its forward ends the program"),
        ("hollow", r"`none` of shape \(0,\) holds no value"),
        ("statless", r"cannot take a batch of 1 [\s\S]*a shard of one clip[\s\S]*track_running_stats=True"),
        ("greedy", "asks for `wisdom`"),
        ("broken", "RuntimeError: no such file: weights.pth"),
        ("nothing", "has no `nothing`"),
        ("number", "`number` is no function or class"),
        ("torch", "`torch` is no function or class"),
    ],
)
def test_each_slip_is_told_in_words(name: str, says: str) -> None:
    with pytest.raises(NetworkError, match=says) as caught:
        with_network(contract_from_yaml(BASE), f"{FILE}:{name}", side=16)
    assert caught.value.where and caught.value.fix


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("import nowhere_at_all\n", "ModuleNotFoundError"),
        ("def build(\n", "SyntaxError"),
        ("1 / 0\n", r"a.py:1: cannot be imported: ZeroDivisionError"),
        ("import sys; sys.exit(3)\n", "SystemExit"),
        ("def build(classes): import sys; sys.exit(3)\n", "cannot be built: SystemExit"),
        ("def build(classes): return 3\n", "gives a int"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_in_words(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(text)
    with pytest.raises(NetworkError, match=says):
        with_network(contract_from_yaml(BASE), f"{tmp_path}/a.py:build")


@pytest.mark.parametrize("given", ["a.py", "nowhere.py:build", "no_such_package.module:build", "a b:c", ":", "x.py:1"])
def test_what_names_no_network_is_told_in_words(given: str) -> None:
    with pytest.raises(NetworkError) as caught:
        with_network(contract_from_yaml(BASE), given)
    assert caught.value.fix
    with pytest.raises(NetworkError, match="a function or a class"):
        with_network(contract_from_yaml(BASE), torch.nn.Linear(2, 2).weight)  # type: ignore[arg-type]


def test_what_a_file_prints_leaves_stdout_to_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.py").write_text(
        "import torch\nprint('read')\n"
        "class Loud(torch.nn.Linear):\n    def forward(self, x):\n        print('asked')\n"
        "        return super().forward(x.mean((2, 3)))\n"
        "def build(classes):\n    print('built')\n    return Loud(3, classes)\n"
    )
    with_network(contract_from_yaml(BASE), f"{tmp_path}/a.py:build", side=16)
    out, err = capsys.readouterr()
    assert out == "" and {"read", "built", "asked"} <= set(err.split())


def test_a_compiled_network_is_what_it_was_before() -> None:
    texts = [
        dump_contract(with_network(contract_from_yaml(BASE), f"{FILE}:{name}", side=16))
        for name in ("build", "compiled")
    ]
    assert texts[0] == texts[1].replace("called: compiled", "called: build")


def test_what_a_builder_sets_for_all_goes_no_further(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import torch\ntorch.set_default_dtype(torch.float64)\nbuild = 3\n")
    with pytest.raises(NetworkError, match="no function or class"):
        with_network(contract_from_yaml(BASE), f"{tmp_path}/a.py:build")
    of("settling")
    left = torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_default_device().type
    assert left == (torch.float32, True, "cpu")


def test_an_input_of_another_size_is_told_in_words() -> None:
    with pytest.raises(NetworkError, match="cannot take a batch of 4 inputs of"):
        with_network(contract_from_yaml(BASE), f"{FILE}:flat_norm", side=20)


def test_what_no_gradient_reaches_is_named() -> None:
    assert examine(Code.of(f"{FILE}:build"), 3, side=16).still == ()
    assert examine(Code.of(f"{FILE}:unused"), 3, side=16).still == ("spare.weight", "spare.bias")


def test_a_builders_draws_leave_the_notebooks_alone() -> None:
    states = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    of("build")
    assert random.getstate() == states[0]
    assert (np.random.get_state()[1] == states[1]).all() and torch.equal(torch.get_rng_state(), states[2])


def test_a_forged_layout_is_refused() -> None:
    text = dump_contract(of("build"))
    with pytest.raises(ContractError, match="the layout of build has the digest"):
        contract_from_yaml(text.replace("- fc.weight", "- fc.wait"))
    assert isinstance(of("build").model.backbone, Own)


def test_personal_parts_of_an_own_network() -> None:
    contract = of("build", "gossip.personal=[normalisation, last_layer]")
    home = sum(end - begin for begin, end in contract.personal_ranges)
    assert home == 4 * (4 + 6) + 3 * 6 + 3
    with pytest.raises(ContractError, match="names normalisation, and what is trained of own has none"):
        of("build", "gossip.personal=normalisation", trained=("fc",))
    with pytest.raises(ContractError, match="names normalisation, and what is trained of vgg16 has none"):
        contract_from_yaml(BASE, overrides=["gossip.personal=normalisation"])
    with pytest.raises(ContractError, match="did you mean `normalisation`"):
        contract_from_yaml(BASE, overrides=["gossip.personal=[normalization]"])

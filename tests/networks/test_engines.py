"""Networks that are trained whole end with the same bits in real peers, event simulator and lockstep."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click import UsageError
from safetensors.numpy import load_file, save_file

from p2pfl_me.cli.main import cli
from p2pfl_me.console.lines import Console
from p2pfl_me.contract import Contract, load_contract
from p2pfl_me.contract.model import CASME2_CLASSES
from p2pfl_me.deploy.export import export_model
from p2pfl_me.errors import NetworkError
from p2pfl_me.exits import Exit
from p2pfl_me.learning.own import with_network
from p2pfl_me.options import RunOptions
from p2pfl_me.simulation.carriage import model_bytes
from p2pfl_me.simulation.engine import simulate
from p2pfl_me.simulation.lockstep import run_lockstep
from p2pfl_me.swarm.launcher import launch
from tests.networks import mylab
from tests.small import CLASSES, Command, events, wait_for, write_contract

OWN = f"{mylab.__file__}:frozen"
PEERS = 3


def write_data(path: Path, contract: Contract) -> Path:
    """Rows as the network takes them; each subject's at a scale of its own, as labs' cameras have it."""
    random, width = np.random.default_rng(7), contract.model.input_width
    subjects = np.repeat(np.arange(9), 7)
    labels = np.arange(len(subjects)) % len(CLASSES)
    means = random.normal(size=(len(CLASSES), width))
    features = (means[labels] + random.normal(size=(len(subjects), width))) * (1.0 + subjects[:, None] % 3)
    tensors = {"features": features.astype(np.float32), "labels": labels, "subjects": subjects}
    save_file(tensors, path, {"classes": json.dumps(CLASSES)})
    return path


def agreed(tmp_path: Path, model: str, gossip: str = "{}", name: str = "t") -> Path:
    model = f"{{classes: [{', '.join(CLASSES)}], {model}}}"
    training = "{rounds: 3, local_epochs: 2, batch_size: 5}"
    return write_contract(tmp_path / f"{name}.yaml", PEERS, model=model, training=training, gossip=gossip)


def digests(run: Path) -> list[str]:
    return [events(run, peer, "finish")[-1]["digest"] for peer in range(PEERS)]


def run(engine: str, contract: Contract, tmp_path: Path, data: Path) -> list[str]:
    options = RunOptions(home=tmp_path / "home", run=tmp_path / engine, data=data)
    code = {"real": launch, "simulated": simulate, "lockstep": run_lockstep}[engine](
        contract, options, Console(quiet=True)
    )
    assert code == 0
    return digests(tmp_path / engine)


@pytest.mark.thorough
@pytest.mark.processes
@pytest.mark.parametrize(
    ("model", "gossip"),
    [
        ("backbone: ststnet", "{personal: normalisation}"),
        ("backbone: own", "{personal: [normalisation, last_layer]}"),
    ],
)
def test_real_peers_simulator_and_lockstep_end_with_the_same_bits(tmp_path: Path, model: str, gossip: str) -> None:
    own = model == "backbone: own"
    contract = load_contract(agreed(tmp_path, "" if own else model, gossip), another_network=own)
    contract = with_network(contract, OWN) if own else contract
    data = write_data(tmp_path / "data.safetensors", contract)
    found = {engine: run(engine, contract, tmp_path, data) for engine in ("real", "simulated", "lockstep")}
    assert found["real"] == found["simulated"] == found["lockstep"] and len(set(found["real"])) == PEERS
    home = np.zeros(contract.model.layout.size, dtype=bool)
    for begin, end in contract.personal_ranges:
        home[begin:end] = True
    models = [load_file(tmp_path / "real" / f"checkpoint-{peer}.safetensors")["params"] for peer in range(PEERS)]
    assert all((one[home] != models[0][home]).any() for one in models[1:]), "labs of other scales keep their own"
    sent = json.loads((tmp_path / "real" / "egress-0.jsonl").read_text().splitlines()[-1])
    assert sent["bytes"] < 4 * np.count_nonzero(~home) + 300, "what stays home is not sent"
    if not own:
        whole = model_bytes(contract.model_copy(update={"gossip": contract.gossip.model_copy(update={"personal": ()})}))
        assert sent["bytes"] < whole <= 8_000, "a model of STSTNet with its header and seals"
    assert "mylab" not in (tmp_path / "real" / "contract.yaml").read_text()


@pytest.mark.few(1)
@pytest.mark.parametrize(
    "model", ["backbone: ststnet", "backbone: {kind: ststnet, normalisation: group}", "backbone: mlp"]
)
@pytest.mark.parametrize("gossip", ["{}", "{protocol: qg_dsgdm}", "{personal: last_layer}"])
def test_simulator_and_lockstep_end_with_the_same_bits(tmp_path: Path, model: str, gossip: str) -> None:
    contract = load_contract(agreed(tmp_path, model, gossip))
    data = write_data(tmp_path / "data.safetensors", contract)
    assert run("simulated", contract, tmp_path, data) == run("lockstep", contract, tmp_path, data)


@pytest.mark.thorough
@pytest.mark.processes
def test_an_own_network_is_killed_and_resumed(tmp_path: Path) -> None:
    path = agreed(tmp_path, "", name="labs")
    contract = with_network(load_contract(path), OWN)
    data = write_data(tmp_path / "data.safetensors", contract)
    run("lockstep", contract, tmp_path, data)  # deals the shards
    folder, shards = tmp_path / "peers", tmp_path / "lockstep" / "shards"
    more = ["--set", "training.rounds=40", "--set", "gossip.deadline.min_s=2"]

    def peer(number: int, *extra: str) -> Command:
        arguments = ["peer", "--id", number, "--topology", path, "--network", OWN, "--out", folder, *more, *extra]
        return Command([*map(str, arguments), "--data", str(shards / f"peer-{number}.csv")], tmp_path / "home")

    commands = [peer(number) for number in range(PEERS)]
    try:
        wait_for(lambda: len(events(folder, 1, "round")) > 2, "three rounds")
        commands[1].kill()
        commands[1].process.wait()
        commands[1] = peer(1, "--resume")
        ends = [command.finish() for command in commands]
    finally:
        for command in commands:
            command.kill() if command.process.poll() is None else None
    # Whoever was away, and whoever was without it meanwhile, may have missed a round: that is no failure.
    assert {code for code, _ in ends} <= {Exit.DONE, Exit.INCOMPLETE}, ends
    starts = events(folder, 1, "start")
    assert len(starts) == 2 and starts[1]["resumed_round"] > 0
    assert [events(folder, each, "finish")[-1]["reason"] for each in range(PEERS)] == ["rounds"] * PEERS


@pytest.mark.thorough  # tests/deploy exports the networks of the registry
def test_an_own_network_becomes_a_checked_onnx_file(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    path = agreed(tmp_path, "input: image")
    faces = ["data.synthetic.subjects=6", "data.synthetic.clips_per_subject=7", "peers.loopback.count=2"]
    contract = load_contract(path, ["training.rounds=1", f"model.classes=[{', '.join(CASME2_CLASSES)}]", *faces])
    options = RunOptions(home=tmp_path, run=tmp_path / "run")
    assert run_lockstep(with_network(contract, OWN), options, Console(quiet=True)) == 0
    out = tmp_path / "model.onnx"
    with pytest.raises(NetworkError, match=r"--network FILE\.py:FUNCTION"):
        export_model(tmp_path / "run", out, home=tmp_path)
    done = export_model(tmp_path / "run", out, home=tmp_path, network=OWN)
    assert done.agreement.difference < 1e-3 and out.stat().st_size < 50_000


@pytest.mark.parametrize("command", ["swarm", "evaluate", "peer"])
def test_a_slip_of_a_command_is_told_in_words(tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P2PME_HOME", str(tmp_path))
    path = agreed(tmp_path, "")
    where = {
        "swarm": [str(path)],
        "evaluate": ["--topology", str(path)],
        "peer": ["--id", "0", "--topology", str(path)],
    }
    with pytest.raises(NetworkError, match="has no `nothing`"):
        cli.main([command, *where[command], "--network", f"{mylab.__file__}:nothing"], standalone_mode=False)
    with pytest.raises(UsageError, match="--trained names a part"):
        cli.main([command, *where[command], "--trained", "fc"], standalone_mode=False)

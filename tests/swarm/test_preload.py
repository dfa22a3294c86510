"""What every peer of a swarm needs is imported before the fork, once: each would pay for it by itself afterwards."""

from __future__ import annotations

import subprocess
import sys

import pytest

BUILT = """
import sys
import p2pfl_me.swarm.children
before = set(sys.modules)
from p2pfl_me.contract import contract_from_yaml
from p2pfl_me.gossip.cores import Start, core_of
from p2pfl_me.topology import plan_of
import numpy as np
for protocol in ("dpsgd", "qg_dsgdm", "adpsgd", "push"):
    text = "version: 1\\nname: t\\ntopology: {kind: ring}\\npeers:\\n  loopback: {count: 3}\\n"
    contract = contract_from_yaml(text, overrides=[f"gossip.protocol={protocol}"])
    core_of(contract, 0, plan_of(contract), Start(np.zeros(contract.model.layout.size, dtype=np.float32)))
np.random.default_rng(1)
ours = ("p2pfl_me", "numpy", "zmq", "cryptography")
print(*sorted(name for name in set(sys.modules) - before if name.startswith(ours)))
"""


@pytest.mark.thorough
def test_a_forked_peer_finds_its_core_imported() -> None:
    done = subprocess.run([sys.executable, "-c", BUILT], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []

"""One peer from start to end: contract, key, data, trainer, links, core, host; and an exit code for the shell."""

from __future__ import annotations

import asyncio
import os
import platform
import signal
import sys
from pathlib import Path

from p2pfl_me import __version__
from p2pfl_me.contract import Contract, contract_from_yaml, digest, dump_contract, section_digests
from p2pfl_me.errors import ContractError, IdentityError, P2pmeError, PeerError, RunError
from p2pfl_me.gossip.dpsgd import DPSGD, Settings
from p2pfl_me.gossip.stop import Progress, StopRule
from p2pfl_me.home import keys_dir
from p2pfl_me.learning.layout import layout_of
from p2pfl_me.peer.checkpoint import Checkpoint, load_checkpoint
from p2pfl_me.peer.eventlog import JsonLines
from p2pfl_me.peer.host import Host
from p2pfl_me.peer.settings import PeerSettings
from p2pfl_me.peer.sketch import Sketcher
from p2pfl_me.peer.work import RoundWork
from p2pfl_me.topology.schedule import schedule_of
from p2pfl_me.wire.codec import Schema
from p2pfl_me.wire.identity import Identity, load_identity, loopback_identities, public_from_text
from p2pfl_me.wire.links import Endpoint, Links

STOPPED = 130
"""Exit code of a peer that the user stopped, as shells expect after Ctrl-C."""

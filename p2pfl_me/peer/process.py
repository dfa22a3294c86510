"""One peer from start to end: contract, key, data, trainer, links, core, host; and an exit code for the shell."""

from __future__ import annotations

import asyncio
import os
import platform
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import p2pfl_me
from p2pfl_me.contract import Contract, derive_seed, digest, dump_contract, load_contract, section_digests
from p2pfl_me.errors import ContractError, IdentityError, P2pmeError, PeerError
from p2pfl_me.gossip.dpsgd import DPSGD, Settings
from p2pfl_me.gossip.protocol import Finish
from p2pfl_me.gossip.stop import Progress, StopRule
from p2pfl_me.home import cache_dir, keys_dir
from p2pfl_me.learning.layout import Layout, layout_of
from p2pfl_me.peer.checkpoint import Checkpoint, load_checkpoint
from p2pfl_me.peer.eventlog import JsonLines
from p2pfl_me.peer.host import Host
from p2pfl_me.peer.settings import PeerSettings
from p2pfl_me.peer.sketch import Sketcher
from p2pfl_me.peer.work import RoundWork
from p2pfl_me.topology.schedule import schedule_of

STOPPED = 130

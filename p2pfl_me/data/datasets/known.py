"""All published data sets that can be read as they were downloaded."""

from __future__ import annotations

from p2pfl_me.data.datasets.casme import CASME
from p2pfl_me.data.datasets.casme2 import CASME2
from p2pfl_me.data.datasets.casme3 import CASME3_A, CASME3_C
from p2pfl_me.data.datasets.fourdme import FOURDME
from p2pfl_me.data.datasets.layout import Layout
from p2pfl_me.data.datasets.mmew import MMEW
from p2pfl_me.data.datasets.samm import SAMM
from p2pfl_me.data.datasets.smic import SMIC

LAYOUTS: tuple[Layout, ...] = (CASME2, SAMM, SMIC, CASME3_A, CASME3_C, MMEW, FOURDME, CASME)

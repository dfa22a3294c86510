"""The twins by name."""

from __future__ import annotations

from collections.abc import Mapping

from p2pfl_me.data.twins.casme2 import CASME, CASME2
from p2pfl_me.data.twins.casme3 import PART_A, PART_C
from p2pfl_me.data.twins.fourdme import FOURDME
from p2pfl_me.data.twins.mmew import MMEW
from p2pfl_me.data.twins.recipe import Recipe
from p2pfl_me.data.twins.samm import SAMM
from p2pfl_me.data.twins.smic import SMIC

TWINS: Mapping[str, tuple[Recipe, ...]] = {
    "casme2": (CASME2,),
    "samm": (SAMM,),
    "smic": SMIC,
    "casme3": (PART_A, PART_C),
    "mmew": (MMEW,),
    "4dme": (FOURDME,),
    "casme": (CASME,),
}
"""CAS(ME)^3 and SMIC have several parts each."""

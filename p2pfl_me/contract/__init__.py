"""The contract: the YAML file that all peers share, its models, its loader and its digest.

It joins the choices that lower floors declare: topologies, protocols, compressions, mixing weights.
"""

from p2pfl_me.choice import derive_seed
from p2pfl_me.contract.digest import digest, dump_contract, section_digests
from p2pfl_me.contract.history import breaks, changes, history_digest
from p2pfl_me.contract.label_maps import LABEL_MAPS, LabelMap
from p2pfl_me.contract.load import contract_from_values, contract_from_yaml, load_contract
from p2pfl_me.contract.model import Contract

__all__ = [
    "LABEL_MAPS",
    "Contract",
    "LabelMap",
    "breaks",
    "changes",
    "contract_from_values",
    "contract_from_yaml",
    "derive_seed",
    "digest",
    "dump_contract",
    "history_digest",
    "load_contract",
    "section_digests",
]

"""How a model is made smaller for one exchange on one edge: number formats, fragments, sparse and low-rank differences.

Floor 1 of the house: vectors in, bytes out; no socket, thread, clock or file, and no torch.
"""

from p2pfl_me.compression.blocks import Int4, Int8
from p2pfl_me.compression.chunked import Chunked
from p2pfl_me.compression.compressor import COMPRESSIONS, Compression, EdgeState, Payload, Saved, Shapes
from p2pfl_me.compression.float16 import Float16
from p2pfl_me.compression.fragments import Fragments
from p2pfl_me.compression.jwins import Jwins
from p2pfl_me.compression.power import Power
from p2pfl_me.compression.topk import TopK

__all__ = [
    "COMPRESSIONS",
    "Chunked",
    "Compression",
    "EdgeState",
    "Float16",
    "Fragments",
    "Int4",
    "Int8",
    "Jwins",
    "Payload",
    "Power",
    "Saved",
    "Shapes",
    "TopK",
]

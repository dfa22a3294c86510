"""How the event log writes sketches down, so that a report can measure consensus without keeping every model."""

from __future__ import annotations

import base64

from p2pfl_me.gossip.sketch import WIDTH, Sketcher
from p2pfl_me.message import Vector

__all__ = ["WIDTH", "Sketcher", "encode_sketch"]


def encode_sketch(sketch: Vector) -> str:
    """Base64 of little-endian float32, for the event log."""
    return base64.b64encode(sketch.astype("<f4").tobytes()).decode()

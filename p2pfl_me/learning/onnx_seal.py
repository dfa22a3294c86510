"""An exported file's last bytes: the SHA-256 of all before them, so that what was cut or changed is not believed.

They are one more entry of its metadata (protobuf appends what follows to a repeated field), so that every program
reads the file as before. No signature: whoever means to deceive can make another digest, and a contract beside weights
that are not its own is then found only where shapes tell.
"""

from __future__ import annotations

import hashlib

KEY = b"sha256"
FIELD = 14
"""Of `metadata_props` in ONNX's ModelProto; its entries are key (1) and value (2)."""


def sealed(model: bytes) -> bytes:
    """The bytes of a model with their digest behind them."""
    return model + _entry(model)


def is_whole(file: bytes) -> bool | None:
    """Whether a file is as it was sealed; None where no digest stands at its end."""
    length = len(_entry(b""))
    model, entry = file[:-length], file[-length:]
    if entry == _entry(model):
        return True
    return False if entry.startswith(_entry(b"")[: length - 64]) else None


def _entry(model: bytes) -> bytes:
    fields = _field(1, KEY) + _field(2, hashlib.sha256(model).hexdigest().encode())
    return _field(FIELD, fields)


def _field(number: int, value: bytes) -> bytes:
    """A protobuf field of bytes, of fewer than 128."""
    return bytes((number << 3 | 2, len(value))) + value

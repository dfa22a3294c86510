"""Peer-to-peer gossip learning of facial micro-expressions, with no central server."""

__version__ = "0.1.0"

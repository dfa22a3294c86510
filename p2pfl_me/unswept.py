"""Imported by a fork server before all else: what it imports lives as long as it does, and needs no looking through.

The collector goes through all objects again and again while torch's modules are made, a sixth of the imports' time.
Whoever is forked sets these objects aside for good and collects its own (`workers`).
"""

from __future__ import annotations

import gc

gc.disable()

"""What came first under each key, however many keys there are: beyond some megabytes SQLite keeps them in a file."""

from __future__ import annotations

import json
import sqlite3

CACHE_KIB = 32_768


class FirstSeen:
    """A table that memory does not grow with, for lists of any length; it goes with the object."""

    def __init__(self) -> None:
        # A database without a name lies in a temporary file of the system, from when its cache is full.
        self._base = sqlite3.connect("", isolation_level=None)
        for setting in (f"cache_size = -{CACHE_KIB}", "journal_mode = OFF", "synchronous = OFF"):
            self._base.execute(f"PRAGMA {setting}")
        self._base.execute("CREATE TABLE first (key BLOB PRIMARY KEY, said TEXT) WITHOUT ROWID")
        self._base.execute("BEGIN")

    def before(self, key: bytes, *said: str | None) -> list[str | None] | None:
        """What was `said` of this key the first time; None if this is it, and is kept."""
        added = self._base.execute("INSERT OR IGNORE INTO first VALUES (?, ?)", (key, json.dumps(said)))
        if added.rowcount:
            return None
        (found,) = self._base.execute("SELECT said FROM first WHERE key = ?", (key,)).fetchone()
        again: list[str | None] = json.loads(found)
        return again

"""Changes of a contract that its members have agreed to. Pure: keys, digests and shares; no file and no socket."""

"""One running peer: a protocol core, driven by asyncio, links and a training thread, with its logs and checkpoints."""

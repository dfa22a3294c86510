"""One file a protocol: its name and options, what it can and cannot do, and its core.

A file that is added here is found by itself.
"""

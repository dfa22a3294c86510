"""Pure protocol cores: state and inputs in, actions out.

Nothing here knows a socket, a thread, a clock, a file or torch; the hosts (a real peer, a simulator) do.
"""

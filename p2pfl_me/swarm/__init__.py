"""Many real peers on one machine: processes, keys, sockets as in deployment, started, watched and compared."""

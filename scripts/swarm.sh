#!/usr/bin/env bash
# Ten real peers learn together on this machine, to a report. First run: installs what is needed.
#   scripts/swarm.sh                                    built-in drawn clips, ring of ten peers
#   scripts/swarm.sh --data FOLDER --baselines          your own clips (FOLDER/manifest.csv)
#   TOPOLOGY=topologies/torus.yaml scripts/swarm.sh     another topology
# All options are those of `p2pme swarm`.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
setup_environment ""
exec p2pme swarm "${TOPOLOGY:-$root/topologies/ring.yaml}" "$@"

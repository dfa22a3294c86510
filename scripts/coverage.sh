#!/usr/bin/env bash
# Which lines and branches the tests reach, children included. It more than doubles their time, so CI does without.
# Arguments go to pytest: scripts/coverage.sh tests/gossip
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
setup_environment "[test]"
cd "$root"
coverage erase
coverage run -m pytest "$@"
coverage combine --quiet
coverage report

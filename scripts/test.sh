#!/usr/bin/env bash
# Format, lint, types, tests with coverage. Arguments go to pytest: scripts/test.sh tests/gossip -x
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
setup_environment "[test]"
cd "$root"
ruff format --check .
ruff check .
mypy
if [ $# -gt 0 ]; then
  exec pytest "$@"
fi
coverage erase
coverage run -m pytest
coverage combine --quiet
coverage report

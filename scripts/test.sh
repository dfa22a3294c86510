#!/usr/bin/env bash
# Format, lint, types, tests in one process more than there are cores. Arguments go to pytest: scripts/test.sh tests/gossip -x
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
# A file's tests share what is costly to make, so they stay together. Tests of real peers wait for a good part of their
# time, which one process more than there are cores fills. The longest files begin first (tests/conftest.py).
pytest --numprocesses $(($(nproc) + 1)) --dist loadfile --no-loadscope-reorder
echo "All of it took $SECONDS s."

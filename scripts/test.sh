#!/usr/bin/env bash
# Format, lint, types, tests in as many processes as there are cores. Arguments go to pytest: scripts/test.sh tests/gossip -x
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
# A file's tests share what is costly to make, so they stay together; the longest files begin first.
pytest --numprocesses auto --dist loadfile
echo "All of it took $SECONDS s."

#!/usr/bin/env bash
# Format, lint, types, tests in one process more than there are cores. Arguments go to pytest: scripts/test.sh tests/gossip -x
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
setup_environment "[test]"
cd "$root"
ruff format --check .
ruff check .
if [ $# -gt 0 ]; then
  mypy
  exec pytest "$@"
fi
# Types are checked beside the tests, which wait for a good part of their time; with the package what users write, by the
# same options, outside of it.
types=$(mktemp) uses=$(mktemp -d)
trap 'kill "$checking" 2>/dev/null || true; rm -rf "$types" "$uses"' EXIT
mypy p2pfl_me $(python -m tests.api.test_typed "$uses") >"$types" 2>&1 &
checking=$!
# A file's tests share what is costly to make, so they stay together. Tests of real peers wait for a good part of their
# time, which one process more than there are cores fills; with two more, what is computed takes a sixth more. They are
# forks of the one that has collected the tests (tests/forked.py). The longest files begin first (tests/conftest.py).
tests=0 typed=0
python -m pytest -p tests.forked --workers $(($(nproc) + 1)) || tests=$?
wait "$checking" || typed=$?
cat "$types"
echo "All of it took $SECONDS s."
exit $((tests ? tests : typed))

#!/usr/bin/env bash
# Every test but those of the README's commands and of Ray: with what scripts/test.sh runs, the cases that it leaves out
# (marked `thorough`, beyond `few`, and examples beyond twenty), in two and a half times its time. Arguments go to pytest:
# scripts/thorough.sh tests/gossip
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
setup_environment "[test]"
cd "$root"
python -m pytest -p tests.forked --workers $(($(nproc) + 1)) -m "not readme and not ray" \
  --hypothesis-profile=thorough "$@"
echo "All of it took $SECONDS s."

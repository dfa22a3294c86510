#!/usr/bin/env bash
# The documentation as a site in build/site; a link that leads nowhere is an error. `scripts/docs.sh serve` shows it while you write.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
setup_environment "[docs]"
cd "$root"
exec mkdocs "${@:-build}"

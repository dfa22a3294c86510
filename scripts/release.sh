#!/usr/bin/env bash
# A release in build/release: wheel, source archive, a CycloneDX list of the parts that they were tested with, checksums.
#   scripts/release.sh            from the clean tree of a commit
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
cd "$root"
if [ -n "$(git status --porcelain)" ]; then
  echo "The tree has changes that no commit holds; a release is of a commit." >&2
  exit 1
fi
setup_environment "[release]"
out=build/release
rm -rf "$out"
python -m build --quiet --outdir "$out" .
# What a user gets who installs the wheel with constraints.txt: an environment without our own tools.
parts=$(mktemp -d)
trap 'rm -rf "$parts"' EXIT
"${PYTHON:-python3}" -m venv "$parts/venv"
"$parts/venv/bin/python" -m pip install --quiet --disable-pip-version-check --constraint constraints.txt "$out"/*.whl
cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --output-format JSON \
  -o "$out/p2pfl_me.cdx.json" "$parts/venv/bin/python"
(cd "$out" && sha256sum -- *.whl *.tar.gz *.cdx.json >SHA256SUMS)
cat "$out/SHA256SUMS"

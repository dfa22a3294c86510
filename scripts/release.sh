#!/usr/bin/env bash
# A release in build/release: wheel, source archive, a CycloneDX list of the parts that they were tested with, checksums.
#   scripts/release.sh            from the clean tree of a commit
# The wheel is installed into a clean environment and tried from another folder before anything is listed.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
cd "$root"
if [ -n "$(git status --porcelain)" ]; then
  echo "The tree has changes that no commit holds; a release is of a commit." >&2
  exit 1
fi
unset PYTHONPATH  # a checkout on it would stand for the wheel
setup_environment "[release]"
out=build/release
rm -rf "$out"
python -m build --quiet --outdir "$out" .
# What a user gets who installs the wheel with constraints.txt: an environment without our own tools.
parts=$(mktemp -d)
trap 'rm -rf "$parts"' EXIT
"${PYTHON:-python3}" -m venv "$parts/venv"
"$parts/venv/bin/python" -m pip install --quiet --disable-pip-version-check --constraint constraints.txt "$out"/*.whl
(
  export P2PME_HOME=$parts/home PATH=$parts/venv/bin:$PATH
  cd "$parts"
  case $(python -c 'import p2pfl_me; print(p2pfl_me.__file__)') in
    "$parts"/*) ;;
    *) echo "The clean environment imports another p2pfl_me than the wheel's." >&2 && exit 1 ;;
  esac
  p2pme swarm ring --rounds 2 --out ring
  p2pme compare ring base3 --rounds 2 --seeds 1 --no-baselines --engine lockstep --out compared
  sed -n '/^```python$/,/^```$/{/^```/!p}' "$root/README.md" | python -
)
cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --output-format JSON \
  -o "$out/p2pfl_me.cdx.json" "$parts/venv/bin/python"
(cd "$out" && sha256sum -- *.whl *.tar.gz *.cdx.json >SHA256SUMS)
cat "$out/SHA256SUMS"

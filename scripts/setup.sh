# Sourced by the other scripts: makes the virtual environment once and puts it on PATH.
# VENV names another place for it; PYTHON another interpreter (3.11 or newer).

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=${VENV:-$root/.venv}

# setup_environment EXTRAS: EXTRAS is "" or "[test]"
setup_environment() {
  local extras=$1 stamp
  # pip ends with 1 when it is stopped; whoever called us is told what a stop is everywhere else.
  trap 'echo "Stopped during the installation; the same command goes on with it." >&2; exit 130' INT TERM HUP
  stamp=$(cat "$root/pyproject.toml" "$root/constraints.txt" <(printf '%s' "$extras") | cksum)
  if [ ! -x "$venv/bin/python" ]; then
    echo "Making a virtual environment in $venv ..."
    "${PYTHON:-python3}" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
      { echo "Python 3.11 or newer is needed; name one with PYTHON=..." >&2; return 1; }
    "${PYTHON:-python3}" -m venv "$venv"
  fi
  if [ "$(cat "$venv/.p2pme-$extras" 2>/dev/null)" != "$stamp" ]; then
    echo "Installing (a few minutes the first time) ..."
    # Twenty thousand files come with the libraries, and a run imports a small part of them: Python compiles each at its
    # first import, which takes a fraction of compiling all, and writes it down for the next process.
    # The pip that comes with an older Python takes twice as long over the same libraries.
    local install=("$venv/bin/python" -m pip install -qq --disable-pip-version-check --no-compile
      --constraint "$root/constraints.txt")
    "${install[@]}" --upgrade pip
    "${install[@]}" --editable "$root$extras"
    printf '%s' "$stamp" >"$venv/.p2pme-$extras"
  fi
  trap - INT TERM HUP
  unset PYTHONDONTWRITEBYTECODE
  export PATH="$venv/bin:$PATH"
}

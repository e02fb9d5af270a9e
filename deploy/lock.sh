#!/bin/sh
# Resolves the dependencies of pyproject.toml for every Python >= 3.11 and every platform at once, and writes the lock files: exact
# versions with the hash of every file of each release, no address. The settings of this machine's package clients are not read.
#
#     deploy/lock.sh PYTHON
set -eu
python=$1

"$python" -m venv .lock
.lock/bin/python -m pip --disable-pip-version-check --quiet install uv

lock() {
    out=$1
    shift
    env -u UV_INDEX_URL -u UV_DEFAULT_INDEX -u UV_FIND_LINKS \
        .lock/bin/uv pip compile --no-config --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
        --no-emit-find-links --no-header --no-annotate --quiet "$@" -o "$out.new"
    if grep -nE '://|^-|^ *--[^h]| @ ' "$out.new"; then
        echo "lock: $out.new names an address or a path; nothing was changed" >&2
        exit 1
    fi
    mv "$out.new" "$out"
}

lock requirements.txt pyproject.toml
lock requirements-build.txt -c requirements.txt --group pyproject.toml:build
lock requirements-dev.txt -c requirements.txt -c requirements-build.txt pyproject.toml --group pyproject.toml:dev
rm -rf .lock

#!/bin/sh
# Makes a virtual environment that holds what the lock files name and nothing else.
#
#     deploy/setup.sh PYTHON VENV LOCK...       e.g. deploy/setup.sh python3 .venv requirements.txt requirements-build.txt
#
# Everything it says goes to standard error: the standard output of `make` belongs to the program.
set -eu
exec 1>&2

python=$1 venv=$2
shift 2

die() {
    echo "setup: $1"
    exit 1
}

# Installs Debian packages when this user may; says so and fails when not.
install_debian() {
    command -v apt-get >/dev/null || { echo "setup: this is no Debian: install $* yourself"; return 1; }
    if [ "$(id -u)" = 0 ]; then as=; elif sudo -n true 2>/dev/null; then as="sudo -n"; else
        echo "setup: $* is missing and this user may not install it. Run: sudo apt-get install $*"
        return 1
    fi
    echo "setup: installing the Debian packages $*"
    $as apt-get -qq update
    $as env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@" >/dev/null
}

command -v "$python" >/dev/null || die "there is no $python. Install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || die "$python is older than 3.11. Name a newer one: make PYTHON=/path/to/python3"
# Debian splits the standard library: without python3-venv there is no ensurepip.
"$python" -c 'import ensurepip, venv' 2>/dev/null || install_debian python3-venv ca-certificates || true
"$python" -c 'import ensurepip, venv' 2>/dev/null || die "$python has no venv module even now. Use the system's own: make PYTHON=/usr/bin/python3"

if ! "$venv/bin/python" -c '' 2>/dev/null; then
    echo "setup: making $venv with $("$python" --version)"
    rm -rf "$venv"
    "$python" -m venv "$venv"
fi

# What every message passes is compiled (deploy/compile.py); without a compiler all works, slower. Debian's headers are for Debian's Python.
case " $* " in *requirements-build.txt*)
    missing=
    command -v cc >/dev/null || missing="gcc libc6-dev"
    headers=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
    case $headers in /usr/include/*) [ -e "$headers/Python.h" ] || missing="$missing python3-dev" ;; esac
    [ -z "$missing" ] || install_debian $missing || true
    ;;
esac

# The tests watch a node's calls from outside, let them fail, and move its clock; what cannot be installed skips its tests.
case " $* " in *requirements-dev.txt*)
    missing=
    command -v strace >/dev/null || missing="strace"
    ls /usr/lib/*/faketime/libfaketimeMT.so.1 >/dev/null 2>&1 || missing="$missing faketime"
    [ -z "$missing" ] || install_debian $missing || true
    ;;
esac

pip="$venv/bin/python -m pip --disable-pip-version-check --no-input --quiet"
for lock in "$@"; do
    echo "setup: installing $lock"
    $pip install --require-hashes --only-binary :all: -r "$lock"
done
# No build isolation: the build tool too is the one whose hash is locked.
$pip install --no-deps --no-build-isolation --no-index --editable .

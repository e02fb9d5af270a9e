#!/bin/sh
# Installs what the peers need, apart from the product: Debian's postfix, and two virtual environments with pinned packages.
#
#     bench/peers/setup.sh PYTHON FOLDER        e.g. bench/peers/setup.sh python3 .peers
#
# The system's postfix is installed without a configuration and is never started; the bench runs two instances of its own.
set -eu
exec 1>&2
python=$1 folder=$2

if ! command -v postfix >/dev/null && ! [ -x /usr/sbin/postfix ]; then
    [ "$(id -u)" = 0 ] || { echo "peers: postfix is missing and this user may not install it"; exit 1; }
    echo "peers: installing the Debian package postfix, without a configuration"
    echo "postfix postfix/main_mailer_type select No configuration" | debconf-set-selections
    apt-get -qq update
    DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends postfix >/dev/null
fi

install() {
    echo "peers: installing $2 into $folder/$1"
    "$python" -m venv "$folder/$1"
    "$folder/$1/bin/python" -m pip --disable-pip-version-check --no-input --quiet install $2
}
[ -e "$folder/smime/done" ] || { install smime "cryptography==50.0.2 asn1crypto==1.5.1"; touch "$folder/smime/done"; }
[ -e "$folder/as2/done" ] || {
    install as2 "pyas2lib==1.4.3 asn1crypto==1.5.1 oscrypto==1.3.0 cryptography==39.0.2 pyOpenSSL==23.0.0 requests==2.34.2"
    # oscrypto reads OpenSSL's version with one digit per place, and so refuses 3.0.10 and later; nothing else is changed
    echo "peers: letting oscrypto read the version of an OpenSSL with two digits"
    sed -i 's/(\\\\d\\\\.\\\\d\\\\.\\\\d\[a-z\]\*)/(\\\\d+\\\\.\\\\d+\\\\.\\\\d+[a-z]*)/' \
        "$folder"/as2/lib/python3*/site-packages/oscrypto/_openssl/_libcrypto_c*.py
    touch "$folder/as2/done"
}

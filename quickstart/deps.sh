#!/bin/sh
# Installs what OpenLambda needs: Node, npm and the distribution's Python by the distribution's package manager where
# they are missing, then the packages of this checkout. Run twice, it finds nothing to do.
set -eu

root=$(CDPATH='' cd -P -- "$(dirname -- "$0")/.." && pwd)
python=/usr/bin/python3 # the distribution's: sandboxes see /usr and no other Python
fetched=$root/setup/node/node_modules

say() { echo "deps: $*" >&2; }
fail() {
  say "$*"
  exit 1
}
has() { command -v "$1" >/dev/null 2>&1; }

node_major() {
  version=$("$1" --version)
  version=${version#v}
  echo "${version%%.*}"
}

# Prints the names of what is missing: node npm python.
missing() {
  has node || echo node
  has npm || echo npm
  [ -x "$python" ] || echo python
}

# package_names <manager> <what>: what this manager calls it. Most have npm in Node's own package.
package_names() {
  case $1:$2 in
    pacman:python) echo python ;;
    *:python) echo python3 ;;
    zypper:node) echo nodejs-default ;;
    zypper:npm) echo npm-default ;;
    *:node) echo nodejs ;;
    *:npm) echo npm ;;
  esac
}

manager() {
  for name in apt-get dnf yum zypper pacman apk; do
    if has "$name"; then
      echo "$name"
      return
    fi
  done
}

# install_by <manager> <package>...
install_by() {
  by=$1
  shift
  say "installing $* by $by"
  case $by in
    apt-get)
      apt-get update -q
      DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
      ;;
    dnf | yum) "$by" install -y "$@" ;;
    zypper) zypper --non-interactive install "$@" ;;
    pacman) pacman -S --needed --noconfirm "$@" ;;
    apk) apk add "$@" ;;
  esac
}

install_missing() {
  wanted=$(missing)
  [ -n "$wanted" ] || return 0
  words=$(echo "$wanted" | tr '\n' ' ')
  by=$(manager)
  [ -n "$by" ] || fail "no package manager that this script knows: install ${words}yourself, then run this again."
  [ "$(id -u)" = 0 ] || fail "${words}missing, and installing needs root: run \`sudo ./quickstart/deps.sh\`."
  packages=
  for what in $wanted; do packages="$packages $(package_names "$by" "$what")"; done
  # shellcheck disable=SC2086 # a list of package names
  install_by "$by" $packages || fail "$by could not install$packages: mend what it says above, then run this again."
  left=$(missing | tr '\n' ' ')
  [ -z "$left" ] || fail "$by installed$packages, but this is still missing: ${left}(install it, then run this again)."
}

check_python() {
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 9))' && return
  fail "$("$python" --version) at $python is too old (functions need 3.9): use a newer release of the distribution."
}

is_musl() {
  for loader in /lib/ld-musl-*; do [ -e "$loader" ] && return; done
  return 1
}

# The distribution's Node may be too old even for the set-up, but its npm can fetch one that is not.
node_for_setup() {
  [ "$(node_major node)" -ge 20 ] && echo node && return
  for there in "$fetched"/node-linux-*/bin/node; do [ -x "$there" ] && echo "$there" && return; done
  say "Node $(node --version) is too old: fetching a newer one from npm (190 MB, once)"
  (cd "$root/setup/node" && npm ci --ignore-scripts --no-audit --no-fund >&2) ||
    fail 'npm could not fetch Node: mend what it says above, then run this again.'
  for there in "$fetched"/node-linux-*/bin/node; do [ -x "$there" ] && echo "$there" && return; done
  fail "there is no Node to fetch for this machine ($(uname -m)): install Node 24 or newer yourself."
}

install_missing
check_python
if is_musl && [ "$(node_major node)" -lt 24 ]; then
  fail "Node $(node --version) is too old, and npm has none for musl: install Node 24 or newer (a newer Alpine has it)."
fi
node=$(node_for_setup)
"$node" "$root/setup/run.mjs" setup
say 'all there: start with `npm start`'

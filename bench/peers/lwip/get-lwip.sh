#!/bin/sh
# Unpacks Debian's lwIP source package (2.1.3 on bookworm) into bench/peers/lwip-src, or into $1.
# Does nothing when it is there. Needs root: it adds a deb-src entry of its own for the time of the
# call. LWIP_SOURCE=<unpacked tree> is copied instead, where there is no network.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here/../lwip-src}
[ -f "$out/src/core/tcp.c" ] && exit 0
if [ -n "${LWIP_SOURCE:-}" ]; then
  mkdir -p "$out"
  cp -r "$LWIP_SOURCE"/. "$out"/
  exit 0
fi
for tool in apt-get dpkg-source; do
  command -v "$tool" > /dev/null || { echo "get-lwip: expected $tool, got none" >&2; exit 1; }
done
entry=/etc/apt/sources.list.d/toeloop-lwip-src.sources
[ -w "$(dirname "$entry")" ] || { echo "get-lwip: expected root, got $(id -un)" >&2; exit 1; }
unpack=$(mktemp -d)
trap 'rm -rf "$entry" "$unpack"' EXIT
sed 's/^Types: deb$/Types: deb-src/' /etc/apt/sources.list.d/debian.sources > "$entry"
apt-get -qq -o Dir::Etc::sourcelist="$entry" -o Dir::Etc::sourceparts=- \
  -o APT::Get::List-Cleanup=0 update
chmod 777 "$unpack"
if ! (cd "$unpack" && apt-get -qq source lwip > source.log 2>&1); then
  cat "$unpack/source.log" >&2
  exit 1
fi
mkdir -p "$out"
cp -r "$unpack"/lwip-*/. "$out"/

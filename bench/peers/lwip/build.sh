#!/bin/sh
# Builds the lwIP peers of `npm run bench` into bench/peers/build: native and Wasm, with and without
# timestamps. Does nothing for what is newer than its sources; names what is missing and then
# builds the rest. Exit status 0 when all four are there.
#   Debian: apt-get install gcc clang lld wasi-libc libclang-rt-14-dev-wasm32 dpkg-dev
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "$here" || exit 1
out=$here/../build
core=$here/../lwip-src/src
wasi=${WASI_SYSROOT:-/usr}
missing=0
lack() {
  echo "lwip: expected $1, got none ($2)" >&2
  missing=1
}

./get-lwip.sh || { lack "lwIP's source" "get-lwip.sh failed"; exit 1; }
mkdir -p "$out"
files="$here/bench.c"
for f in core/init core/def core/inet_chksum core/ip core/mem core/memp core/netif core/pbuf \
  core/stats core/sys core/tcp core/tcp_in core/tcp_out core/timeouts core/ipv4/icmp \
  core/ipv4/ip4 core/ipv4/ip4_addr core/ipv4/ip4_frag; do
  files="$files $core/$f.c"
done

# fresh <output>: newer than everything that it is made from.
fresh() {
  [ -f "$1" ] || return 1
  for f in bench.c lwipopts.h arch/cc.h build.sh; do
    [ "$1" -nt "$f" ] || return 1
  done
}

# compile <output> <timestamps> <compiler and its options...>
compile() {
  fresh "$out/$1" && return 0
  target=$out/$1
  ts=$2
  shift 2
  # shellcheck disable=SC2086 # the list of files is split on purpose
  if "$@" -w -I"$here" -I"$core/include" -DWND=65535 -DTS="$ts" -o "$target.new" $files; then
    mv "$target.new" "$target"
    echo "lwip: built $(basename "$target")"
  else
    lack "$(basename "$target")" "the compiler failed"
  fi
}

native=${CC:-gcc}
if command -v "$native" > /dev/null; then
  compile lwip-native 0 "$native" -O3 -march=native
  compile lwip-native-ts 1 "$native" -O3 -march=native
else
  lack "$native" "apt-get install gcc"
fi

wasm=${WASM_CC:-clang}
if ! command -v "$wasm" > /dev/null; then
  lack "$wasm" "apt-get install clang"
elif ! command -v wasm-ld > /dev/null; then
  lack wasm-ld "apt-get install lld"
elif [ ! -f "$wasi/lib/wasm32-wasi/libc.a" ]; then
  lack "$wasi/lib/wasm32-wasi/libc.a" "apt-get install wasi-libc"
else
  # The stack is large because lwIP's receive path keeps packets' headers on it.
  for ts in 0 1; do
    name=lwip.wasm
    [ "$ts" = 1 ] && name=lwip-ts.wasm
    compile "$name" "$ts" "$wasm" --target=wasm32-wasi --sysroot="$wasi" -O3 -msimd128 \
      -mbulk-memory -Wl,-z,stack-size=262144
  done
fi
exit "$missing"

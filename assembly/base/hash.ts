/**
 * Keyed hash of a 4-tuple for the connection database.
 *
 * A peer chooses addresses and ports, so a fixed hash lets it aim connections at one bucket
 * (threats: hash flooding). The tuple is split in 32-bit words and each pair of words gives one
 * product of (word + key word), the NH construction of UMAC (RFC 4418, section 5.2.2): whether two
 * tuples collide depends on the key, not on their difference alone. A multiply-and-xor chain with
 * fixed multipliers lacks that: a difference in the top bit passes it whatever the key. A fixed
 * finaliser then spreads the 64-bit sum. All products are independent, so a core overlaps them.
 *
 * Invariant: an IPv4 tuple hashes to the value of its mapped form, ::ffff:0:0/96 (RFC 4291,
 * section 2.5.5.2), so one table serves both families.
 */
import { ADDRESS_IPV4, MAPPED_PREFIX } from "../../bindings/abi/ip.ts";

/** Odd multipliers with no structure: the first hexadecimal digits of pi and e. */
const MIX_A: u64 = 0x243f6a8885a308d3;
const MIX_B: u64 = 0xb7e151628aed2a6b;

/** One NH term: both halves keyed modulo 2^32, multiplied in full. */
// @ts-ignore: decorator
@inline
function term(low: u32, high: u32, key: u64): u64 {
  return <u64>(low + <u32>key) * <u64>(high + <u32>(key >> 32));
}

/** Key words of the local address: not the remote's, or exchanging the ends would collide. */
// @ts-ignore: decorator
@inline
function localKey(key: u64, other: u64): u64 {
  const mixed = (key + rotl<u64>(other, 23)) * MIX_A;
  return mixed ^ (mixed >> 32);
}

/** Adds the ports and spreads every input bit over the 32 bits of the result. */
// @ts-ignore: decorator
@inline
function finish(sum: u64, ports: u32, key0: u64, key1: u64): u32 {
  const portKey = ((key1 ^ rotl<u64>(key0, 41)) * MIX_B) | 1;
  let hash = sum + <u64>ports * portKey;
  hash = (hash ^ (hash >> 32)) * MIX_A;
  hash = (hash ^ (hash >> 29)) * MIX_B;
  return <u32>(hash >> 32);
}

/**
 * Hash of a 4-tuple. `remote` and `local` are the addresses of two 16-byte network-order
 * addresses; `ports` is both ports in one word, always in the same order; the keys are
 * CORE_HASH_KEY's.
 */
export function hashTuple(key0: u64, key1: u64, remote: usize, local: usize, ports: u32): u32 {
  const sum =
    term(load<u32>(remote), load<u32>(remote, 4), key0) +
    term(load<u32>(remote, 8), load<u32>(remote, ADDRESS_IPV4), key1) +
    term(load<u32>(local), load<u32>(local, 4), localKey(key0, key1)) +
    term(load<u32>(local, 8), load<u32>(local, ADDRESS_IPV4), localKey(key1, key0));
  return finish(sum, ports, key0, key1);
}

/** `hashTuple` of the mapped forms of two IPv4 addresses, given as `load<u32>` reads them. */
export function hashTupleIpv4(key0: u64, key1: u64, remote: u32, local: u32, ports: u32): u32 {
  const sum =
    term(0, 0, key0) +
    term(MAPPED_PREFIX, remote, key1) +
    term(0, 0, localKey(key0, key1)) +
    term(MAPPED_PREFIX, local, localKey(key1, key0));
  return finish(sum, ports, key0, key1);
}

/** Hash of four words under a key: of a key of a match table. */
export function hashWords(key0: u64, key1: u64, k0: u32, k1: u32, k2: u32, k3: u32): u32 {
  return finish(term(k0, k1, key0) + term(k2, k3, key1), 0, key0, key1);
}

/**
 * Active connection database (4.4.1): 4-tuple -> connection. A keyed hash with open addressing;
 * an entry filters by hash value, the full key is compared in the PRE record. At most PROBES_MAX
 * slots are looked at. Deleting shifts entries back, so that no tombstone lengthens a probe.
 * Invariant: every entry is reachable from its home slot through used slots only.
 */
import { hashTuple, hashTupleIpv4 } from "../base/hash.ts";
import { ADDRESS_IPV4, IPV6_DESTINATION, IPV6_SIZE } from "../../bindings/abi/ip.ts";
import { IPV6_SOURCE } from "../../bindings/abi/ip.ts";
import { HASH_CONNECTION, HASH_SIZE, HASH_VALUE } from "../../bindings/abi/flow-state.ts";
import { PRE_FAMILY, PRE_HASH, PRE_LOCAL_ADDRESS } from "../../bindings/abi/flow-state.ts";
import { PRE_PORTS, PRE_REMOTE_ADDRESS } from "../../bindings/abi/flow-state.ts";
import { PROBES_MAX } from "../../bindings/abi/limits.ts";
import { CORE_BOUND, CORE_CONNECTIONS, CORE_HASH } from "../../bindings/abi/memory-map.ts";
import { CORE_HASH_KEY, CORE_HASH_MASK } from "../../bindings/abi/memory-map.ts";
import { preOf } from "./flow-state.ts";

/** Hash of a tuple as it stands in a received IPv4 segment. */
// @ts-ignore: decorator
@inline
export function hashIpv4(core: usize, remote: u32, local: u32, ports: u32): u32 {
  return hashTupleIpv4(
    load<u64>(core, CORE_HASH_KEY),
    load<u64>(core, CORE_HASH_KEY + 8),
    remote,
    local,
    ports,
  );
}

/** Hash of a tuple with 16-byte addresses; equals hashIpv4 for mapped ones. */
export function hashAddresses(core: usize, remote: usize, local: usize, ports: u32): u32 {
  return hashTuple(
    load<u64>(core, CORE_HASH_KEY),
    load<u64>(core, CORE_HASH_KEY + 8),
    remote,
    local,
    ports,
  );
}

/** The connection with this IPv4 tuple, or 0. */
export function findIpv4(core: usize, hash: u32, remote: u32, local: u32, ports: u32): u32 {
  const table = <usize>load<u32>(core, CORE_HASH);
  const mask = load<u32>(core, CORE_HASH_MASK);
  for (let probe: u32 = 0; probe < PROBES_MAX; probe++) {
    const entry = table + ((hash + probe) & mask) * HASH_SIZE;
    const connection = load<u32>(entry, HASH_CONNECTION);
    if (connection == 0) return 0;
    if (load<u32>(entry, HASH_VALUE) != hash) continue;
    const pre = preOf(core, connection);
    if (
      load<u32>(pre, PRE_PORTS) == ports &&
      load<u32>(pre, PRE_REMOTE_ADDRESS + ADDRESS_IPV4) == remote &&
      load<u32>(pre, PRE_LOCAL_ADDRESS + ADDRESS_IPV4) == local &&
      load<u8>(pre, PRE_FAMILY) == 4
    ) {
      return connection;
    }
  }
  return 0;
}

// @ts-ignore: decorator
@inline
function sameAddress(a: usize, b: usize): bool {
  return load<u64>(a) == load<u64>(b) && load<u64>(a, 8) == load<u64>(b, 8);
}

/** The connection with this tuple of 16-byte addresses, or 0. */
export function find(core: usize, hash: u32, remote: usize, local: usize, ports: u32): u32 {
  const table = <usize>load<u32>(core, CORE_HASH);
  const mask = load<u32>(core, CORE_HASH_MASK);
  for (let probe: u32 = 0; probe < PROBES_MAX; probe++) {
    const entry = table + ((hash + probe) & mask) * HASH_SIZE;
    const connection = load<u32>(entry, HASH_CONNECTION);
    if (connection == 0) return 0;
    const pre = preOf(core, connection);
    if (
      load<u32>(entry, HASH_VALUE) == hash &&
      load<u32>(pre, PRE_PORTS) == ports &&
      sameAddress(pre + PRE_REMOTE_ADDRESS, remote) &&
      sameAddress(pre + PRE_LOCAL_ADDRESS, local)
    ) {
      return connection;
    }
  }
  return 0;
}

/** Hash of the tuple of a received IPv6 segment, its TCP header behind the IP header. */
export function hashIpv6(core: usize, ip: usize): u32 {
  return hashAddresses(core, ip + IPV6_SOURCE, ip + IPV6_DESTINATION, load<u32>(ip, IPV6_SIZE));
}

/** The connection of such a segment, or 0. Its source is not an IPv4-mapped address. */
export function findIpv6(core: usize, ip: usize): u32 {
  const ports = load<u32>(ip, IPV6_SIZE);
  return find(core, hashIpv6(core, ip), ip + IPV6_SOURCE, ip + IPV6_DESTINATION, ports);
}

/** True when the tuple of such a segment is that of a connection's PRE record. */
// @ts-ignore: decorator
@inline
export function isTupleIpv6(pre: usize, ip: usize): bool {
  if (load<u32>(pre, PRE_PORTS) != load<u32>(ip, IPV6_SIZE)) return false;
  return (
    sameAddress(pre + PRE_REMOTE_ADDRESS, ip + IPV6_SOURCE) &&
    sameAddress(pre + PRE_LOCAL_ADDRESS, ip + IPV6_DESTINATION)
  );
}

/** Enters a connection whose PRE record holds its key; false when PROBES_MAX slots are taken. */
export function insert(core: usize, connection: u32): bool {
  const hash = load<u32>(preOf(core, connection), PRE_HASH);
  const table = <usize>load<u32>(core, CORE_HASH);
  const mask = load<u32>(core, CORE_HASH_MASK);
  for (let probe: u32 = 0; probe < PROBES_MAX; probe++) {
    const entry = table + ((hash + probe) & mask) * HASH_SIZE;
    if (load<u32>(entry, HASH_CONNECTION) != 0) continue;
    store<u32>(entry, hash, HASH_VALUE);
    store<u32>(entry, connection, HASH_CONNECTION);
    store<u32>(core, load<u32>(core, CORE_BOUND) + 1, CORE_BOUND);
    return true;
  }
  return false;
}

/** Takes a connection out; false when it is not there. */
export function remove(core: usize, connection: u32): bool {
  const hash = load<u32>(preOf(core, connection), PRE_HASH);
  const table = <usize>load<u32>(core, CORE_HASH);
  const mask = load<u32>(core, CORE_HASH_MASK);
  for (let probe: u32 = 0; probe < PROBES_MAX; probe++) {
    const slot = (hash + probe) & mask;
    const found = load<u32>(table + slot * HASH_SIZE, HASH_CONNECTION);
    if (found == 0) return false;
    if (found != connection) continue;
    closeGap(core, table, mask, slot);
    store<u32>(core, load<u32>(core, CORE_BOUND) - 1, CORE_BOUND);
    return true;
  }
  return false;
}

/** Moves later entries of the run back over the freed slot. The run is at most the table long. */
function closeGap(core: usize, table: usize, mask: u32, freed: u32): void {
  const limit = load<u32>(core, CORE_CONNECTIONS);
  let gap = freed;
  let slot = freed;
  for (let step: u32 = 0; step < limit; step++) {
    slot = (slot + 1) & mask;
    const entry = table + slot * HASH_SIZE;
    if (load<u32>(entry, HASH_CONNECTION) == 0) break;
    const home = load<u32>(entry, HASH_VALUE) & mask;
    // The entry may move to the gap unless its home lies strictly between gap and slot.
    if (((slot - home) & mask) < ((slot - gap) & mask)) continue;
    store<u64>(table + gap * HASH_SIZE, load<u64>(entry));
    gap = slot;
  }
  store<u64>(table + gap * HASH_SIZE, 0);
}

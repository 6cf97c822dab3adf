/**
 * A connection enters and leaves the pipeline: its row of registers, written a register a packet as
 * the control plane does, and its entry in table `connections`.
 */
import { preOf, protocolOf, recoveryOf } from "../flow/flow-state.ts";
import { flagsOf, setFlags } from "../tcp/state.ts";
import * as F from "../../bindings/abi/flow-state.ts";
import { ADDRESS_IPV4 } from "../../bindings/abi/ip.ts";
import * as M from "../../bindings/abi/memory-map.ts";
import * as R from "../../bindings/abi/rmt.ts";
import * as T from "./generated/tcp.ts";
import { enterGrants, leaveGrants } from "./grants.ts";
import { exactRemove, exactSlot } from "./match.ts";
import { controlPass, isRelaxed, stateOf, writeRoom } from "./passes.ts";
import { laminarOf } from "./state.ts";

/** Table `connections` is the program's only one. */
const CONNECTIONS: u32 = 0;
/** Words of its key: remote and local address, ports. */
const KEYS: u32 = 3;
/** Nothing of a stream's offset is cut off: the DMA engine translates it further (IOMMU). */
const WHOLE: u32 = 0xffffffff;

/** The machine's state over a fresh map. */
export function machineInitialize(core: usize): void {
  const state = stateOf(core);
  const tables = <usize>load<u32>(core, M.CORE_RMT_TABLES);
  const rows = load<u32>(core, M.CORE_CONNECTIONS);
  store<u32>(state, <u32>tables, R.STATE_TABLES);
  store<u32>(state, load<u32>(core, M.CORE_RMT_ROWS), R.STATE_GROUPS);
  store<u32>(state, rows, R.STATE_GROUPS + 4);
  store<u64>(state, load<u64>(core, M.CORE_HASH_KEY), R.STATE_HASH_KEY);
  store<u64>(state, load<u64>(core, M.CORE_HASH_KEY + 8), R.STATE_HASH_KEY + 8);
  store<u32>(tables, R.MatchKind.Exact, R.MATCH_KIND);
  store<u32>(tables, load<u32>(core, M.CORE_RMT_ENTRIES), R.MATCH_ENTRIES);
  store<u32>(tables, load<u32>(core, M.CORE_HASH_MASK) + 1, R.MATCH_COUNT);
  store<u32>(tables, KEYS, R.MATCH_KEYS);
  store<u32>(tables, R.TCP_ENTRY_BYTES, R.MATCH_ENTRY_SIZE);
}

// @ts-ignore: decorator
@inline
function remoteOf(pre: usize, connection: u32): u32 {
  // No host has local address 0.0.0.0, so that this is nobody else's key.
  if (<u32>load<u8>(pre, F.PRE_FAMILY) == 6) return connection;
  return bswap<u32>(load<u32>(pre, F.PRE_REMOTE_ADDRESS + ADDRESS_IPV4));
}

// @ts-ignore: decorator
@inline
function localOf(pre: usize): u32 {
  if (<u32>load<u8>(pre, F.PRE_FAMILY) == 6) return 0;
  return bswap<u32>(load<u32>(pre, F.PRE_LOCAL_ADDRESS + ADDRESS_IPV4));
}

// @ts-ignore: decorator
@inline
function portsOf(pre: usize): u32 {
  return bswap<u32>(load<u32>(pre, F.PRE_PORTS));
}

/** Registers and table entry of a connection whose records have just been installed. */
export function enterPipeline(core: usize, connection: u32): bool {
  const pre = preOf(core, connection);
  const remote = remoteOf(pre, connection);
  const local = localOf(pre);
  const ports = portsOf(pre);
  const entry = exactSlot(stateOf(core), CONNECTIONS, remote, local, ports, 0);
  if (entry == 0) return false;
  const p = protocolOf(core, connection);
  if (!isRelaxed()) faithful(core, connection, p);
  writeRegisters(core, connection, p);
  const next = load<u32>(p, F.PROTOCOL_RX_NEXT_SEQ);
  store<u32>(laminarOf(core, connection), next, R.LAMINAR_READY);
  enterGrants(core, connection);
  store<u32>(entry, remote);
  store<u32>(entry, local, 4);
  store<u32>(entry, ports, 8);
  store<u32>(entry, connection, 12);
  store<u32>(entry, load<u16>(pre, F.PRE_CONTEXT), 16);
  store<u32>(entry, load<u8>(p, F.PROTOCOL_PEER_SCALE), 20);
  store<u32>(entry, next, 24);
  store<u32>(entry, WHOLE, 28);
  store<u32>(entry, 0, 32);
  store<u32>(entry, 1, 36);
  return true;
}

/** What the paper chose: each segment is acknowledged, and after a loss all is sent again. */
function faithful(core: usize, connection: u32, p: usize): void {
  const flags = flagsOf(p) & ~(F.FLEXTOE_FEATURES & ~F.LAMINAR_FEATURES);
  setFlags(p, flags | F.FLOW_GO_BACK_N);
  store<u8>(p, 1, F.PROTOCOL_ACK_THRESHOLD);
  store<u8>(recoveryOf(core, connection), 1, F.RECOVERY_INTERVAL_LIMIT);
}

function writeRegisters(core: usize, connection: u32, p: usize): void {
  const next = load<u32>(p, F.PROTOCOL_RX_NEXT_SEQ);
  controlPass(core, connection, T.C_RX_NEXT_SEQ, next);
  writeRoom(core, connection, next, load<u32>(p, F.PROTOCOL_RX_AVAIL));
  controlPass(core, connection, T.C_RX_OOO_TAIL, 0);
  controlPass(core, connection, T.C_RX_OOO_HEAD, 0);
  controlPass(core, connection, T.C_TX_NEXT_ACK, load<u32>(p, F.PROTOCOL_TX_UNA));
  controlPass(core, connection, T.C_TX_DUPACK_CNT, 0);
  controlPass(core, connection, T.C_TX_AVAIL, 0);
  controlPass(core, connection, T.C_TX_CREDITS, 0);
  controlPass(core, connection, T.C_TX_REMOTE_AVAIL, load<u32>(p, F.PROTOCOL_WINDOW_EDGE));
}

/** No packet finds the connection from here on. */
export function leavePipeline(core: usize, connection: u32): void {
  leaveGrants(core, connection);
  const pre = preOf(core, connection);
  const remote = remoteOf(pre, connection);
  exactRemove(stateOf(core), CONNECTIONS, remote, localOf(pre), portsOf(pre), 0);
}

/**
 * The netif stage on a thread (4.3.2): numbers received frames within their flow group (RP0), gives
 * them to the pre-processors in turn, and lets frames out in the order that protocol gave (RP2).
 * The group is the connection's (Table 4.1), found by the same hash, before anything is checked.
 */
import { load16be } from "../base/bytes.ts";
import { stageNetif } from "../nic/stages.ts";
import { hashIpv4, hashIpv6 } from "../flow/connection-database.ts";
import { FRAME_SIZE } from "../../bindings/abi/descriptor.ts";
import * as E from "../../bindings/abi/ethernet.ts";
import { GROUP_SHIFT } from "../../bindings/abi/flow-state.ts";
import { IPV4_DESTINATION, IPV4_PROTOCOL, IPV4_SIZE } from "../../bindings/abi/ip.ts";
import { IPV4_SOURCE, IPV6_NEXT_HEADER, IPV6_SIZE } from "../../bindings/abi/ip.ts";
import { PROTOCOL_TCP } from "../../bindings/abi/ip.ts";
import { CORE_INGRESS, CORE_NETIF_MEDIUM } from "../../bindings/abi/memory-map.ts";
import { ReorderPoint } from "../../bindings/abi/stage.ts";
import * as W from "../../bindings/abi/work.ts";
import * as X from "../../bindings/abi/workers.ts";
import * as item from "./item.ts";
import { assign, due, release } from "./reorder-buffer.ts";
import { first, pop, publish, push, waiting } from "./ring.ts";

/** Items handled. */
export function pollNetif(stage: usize): u32 {
  const shared = item.sharedOf(stage);
  let done = releaseFrames(stage, shared);
  if (item.isPaused(shared)) return done;
  const span = currentSpan(stage, shared);
  if (span != 0) done += admitFrames(stage, shared, span);
  return done;
}

/** RP2: frames to the host, group by group. */
function releaseFrames(stage: usize, shared: usize): u32 {
  const egress = <usize>load<u32>(shared, X.SHARED_EGRESS_RING);
  const groups = load<u32>(shared, X.SHARED_GROUPS);
  let done: u32 = 0;
  for (let group: u32 = 0; group < groups; group++) {
    const point = item.reorderOf(stage, ReorderPoint.Netif, group);
    for (let i: u32 = 0; i < X.POLL_ITEMS; i++) {
      const value = due(point);
      if (value == 0) break;
      release(point);
      if (value != X.REORDER_SKIP) push(egress, value - 1);
      done++;
    }
  }
  if (done != 0) publish(egress);
  return done;
}

/** The span that is being read, or the next that the host has handed over; 0 = none. */
function currentSpan(stage: usize, shared: usize): usize {
  const span = <usize>load<u32>(stage, X.STAGE_SPAN);
  if (span != 0) return span;
  const ring = <usize>load<u32>(shared, X.SHARED_SPAN_RING);
  if (waiting(ring) == 0) return 0;
  const next = <usize>load<u32>(shared, X.SHARED_SPANS) + first(ring) * X.SPAN_SIZE;
  store<u32>(next, 0, X.SPAN_TAKEN);
  store<u32>(stage, <u32>next, X.STAGE_SPAN);
  store<u32>(item.headerOf(stage), load<u32>(next, X.SPAN_BASE), CORE_INGRESS);
  pop(ring);
  return next;
}

function admitFrames(stage: usize, shared: usize, span: usize): u32 {
  const count = load<u32>(span, X.SPAN_COUNT);
  const begin = load<u32>(span, X.SPAN_TAKEN);
  const end = min(count, begin + X.POLL_ITEMS);
  let at = begin;
  for (; at < end; at++) {
    const index = item.takeItem(stage);
    if (index == item.NONE) break;
    admitFrame(stage, shared, span, <usize>load<u32>(span, X.SPAN_TABLE) + at * FRAME_SIZE, index);
  }
  store<u32>(span, at, X.SPAN_TAKEN);
  if (at != begin) item.publishOutputs(stage);
  if (at < count) return at - begin;
  // Nothing of the span is left to admit: netif's own hold on it ends.
  atomic.store<u32>(stage, 0, X.STAGE_SPAN);
  atomic.sub<u32>(span, 1, X.SPAN_USERS);
  return at - begin + 1;
}

function admitFrame(stage: usize, shared: usize, span: usize, entry: usize, index: u32): void {
  const header = item.headerOf(stage);
  const work = item.workOf(shared, index);
  const side = item.sideOf(shared, index);
  stageNetif(header, work, entry);
  const group = groupOf(header, work) & (load<u32>(shared, X.SHARED_GROUPS) - 1);
  item.admit(stage, side, X.SOURCE_NETIF, group);
  atomic.add<u32>(span, 1, X.SPAN_USERS);
  store<u32>(side, <u32>span, X.SIDE_SPAN);
  const number = assign(item.reorderOf(stage, ReorderPoint.Protocol, group));
  store<u32>(side, number, X.SIDE_NUMBER);
  push(item.nextOutput(stage), index);
}

/** The flow group of a frame; 0 for what is not a TCP segment. */
function groupOf(header: usize, work: usize): u32 {
  if ((load<u32>(work, W.WORK_ACTIONS) & W.ACTION_DROP) != 0) return 0;
  const netif = load<u32>(work, W.WORK_NETIF);
  const frame = <usize>load<u32>(work, W.WORK_FRAME);
  const length = load<u32>(work, W.WORK_FRAME_LENGTH);
  let link = load<u32>(header + CORE_NETIF_MEDIUM + netif * 4);
  if (length < link + IPV4_SIZE) return 0;
  if (link != 0 && load16be(frame, E.ETHERNET_TYPE) == E.ETHER_TYPE_VLAN) link += E.VLAN_SIZE;
  if (length < link + IPV4_SIZE) return 0;
  const ip = frame + link;
  const first = <u32>load<u8>(ip);
  if (first >>> 4 == 6) return groupOfIpv6(header, ip, length - link);
  if (first >>> 4 != 4 || <u32>load<u8>(ip, IPV4_PROTOCOL) != PROTOCOL_TCP) return 0;
  const tcp = (first & 15) << 2;
  if (length < link + tcp + 4) return 0;
  const remote = load<u32>(ip, IPV4_SOURCE);
  const local = load<u32>(ip, IPV4_DESTINATION);
  return hashIpv4(header, remote, local, load<u32>(ip + tcp)) >>> GROUP_SHIFT;
}

/** The same over IPv6, as pre-processing finds it: TCP at once behind the header. */
function groupOfIpv6(header: usize, ip: usize, bytes: u32): u32 {
  if (bytes < IPV6_SIZE + 4 || <u32>load<u8>(ip, IPV6_NEXT_HEADER) != PROTOCOL_TCP) return 0;
  return hashIpv6(header, ip) >>> GROUP_SHIFT;
}

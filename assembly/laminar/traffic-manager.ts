/**
 * Between ingress and egress (dissertation 5.1.1): packets wait for their output channel, in four
 * queues of strict priority each. What is too much is dropped here or, where a queue is lossless,
 * held back by its sender; once a packet is handed to egress nothing drops it, because it leaves
 * only when pipeline and channel have room and the channel is not paused (PCIe credits, PFC).
 */
import { NEVER } from "../base/delay-line.ts";
import * as R from "../../bindings/abi/rmt.ts";

const ENTRY_BYTES: u32 = 8;

function portOf(manager: usize, port: u32): usize {
  assert(port < load<u32>(manager, R.MANAGER_PORTS));
  return manager + R.MANAGER_SIZE + port * R.PORT_SIZE;
}

function queueOf(port: usize, priority: u32): usize {
  assert(priority < R.MANAGER_PRIORITIES);
  return port + R.PORT_QUEUES + priority * R.QUEUE_SIZE;
}

// @ts-ignore: decorator
@inline
function count(queue: usize): u32 {
  return load<u32>(queue, R.QUEUE_TAIL) - load<u32>(queue, R.QUEUE_HEAD);
}

// @ts-ignore: decorator
@inline
function increment(address: usize): void {
  store<u32>(address, load<u32>(address) + 1);
}

function hasRoom(queue: usize, bytes: u32): bool {
  const held = load<u32>(queue, R.QUEUE_BYTES);
  const limit = load<u32>(queue, R.QUEUE_LIMIT);
  return count(queue) <= load<u32>(queue, R.QUEUE_MASK) && <u64>held + bytes <= limit;
}

/** A packet for a port: R.Verdict. ECN marks come from the queue's length (5.5.4.2). */
export function enqueue(manager: usize, port: u32, priority: u32, packet: u32, bytes: u32): u32 {
  const owner = portOf(manager, port);
  const queue = queueOf(owner, priority);
  if (!hasRoom(queue, bytes)) {
    if (load<u32>(queue, R.QUEUE_LOSSLESS) != 0) return R.Verdict.Refused;
    increment(queue + R.QUEUE_DROPS);
    return R.Verdict.Dropped;
  }
  const tail = load<u32>(queue, R.QUEUE_TAIL);
  const at = tail & load<u32>(queue, R.QUEUE_MASK);
  const entry = <usize>load<u32>(queue, R.QUEUE_RING) + at * ENTRY_BYTES;
  const before = count(queue);
  store<u32>(entry, packet);
  store<u32>(entry, bytes, 4);
  store<u32>(queue, tail + 1, R.QUEUE_TAIL);
  store<u32>(queue, load<u32>(queue, R.QUEUE_BYTES) + bytes, R.QUEUE_BYTES);
  store<u32>(queue, max(load<u32>(queue, R.QUEUE_PEAK), before + 1), R.QUEUE_PEAK);
  increment(owner + R.PORT_WAITING);
  const mark = load<u32>(queue, R.QUEUE_MARK_FROM);
  return mark != 0 && before >= mark ? R.Verdict.Marked : R.Verdict.Taken;
}

/** Backpressure of a port's channel: what waits for it waits on, and nothing is lost. */
export function pausePort(manager: usize, port: u32, paused: bool): void {
  store<u32>(portOf(manager, port), paused ? 1 : 0, R.PORT_PAUSED);
}

function take(queue: usize, port: usize, now: u64): u32 {
  const head = load<u32>(queue, R.QUEUE_HEAD);
  const at = head & load<u32>(queue, R.QUEUE_MASK);
  const entry = <usize>load<u32>(queue, R.QUEUE_RING) + at * ENTRY_BYTES;
  const bytes = load<u32>(entry, 4);
  store<u32>(queue, head + 1, R.QUEUE_HEAD);
  store<u32>(queue, load<u32>(queue, R.QUEUE_BYTES) - bytes, R.QUEUE_BYTES);
  store<u32>(port, load<u32>(port, R.PORT_WAITING) - 1, R.PORT_WAITING);
  const fs = <u64>bytes * load<u32>(port, R.PORT_FS_PER_BYTE);
  store<u64>(port, now + fs / 1000, R.PORT_FREE);
  return load<u32>(entry);
}

function takeFirst(port: usize, now: u64): u32 {
  for (let priority: u32 = 0; priority < R.MANAGER_PRIORITIES; priority++) {
    const queue = queueOf(port, priority);
    if (count(queue) != 0) return take(queue, port, now);
  }
  return 0;
}

/** True when a packet waits for the port and may leave at some time. */
// @ts-ignore: decorator
@inline
function isReady(port: usize): bool {
  return load<u32>(port, R.PORT_WAITING) != 0 && load<u32>(port, R.PORT_PAUSED) == 0;
}

/** The next packet of the egress pipeline, ports in turn; 0 when none may leave now. */
export function dequeue(manager: usize, now: u64): u32 {
  if (load<u64>(manager, R.MANAGER_SLOT) > now) return 0;
  const ports = load<u32>(manager, R.MANAGER_PORTS);
  let at = load<u32>(manager, R.MANAGER_TURN);
  for (let i: u32 = 0; i < ports; i++) {
    const port = portOf(manager, at);
    at = at + 1 == ports ? 0 : at + 1;
    if (!isReady(port) || load<u64>(port, R.PORT_FREE) > now) continue;
    store<u32>(manager, at, R.MANAGER_TURN);
    store<u64>(manager, now + load<u32>(manager, R.MANAGER_SLOT_PS), R.MANAGER_SLOT);
    return takeFirst(port, now);
  }
  return 0;
}

/** When dequeue() has a packet, unless one arrives before; NEVER when none waits unpaused. */
export function dequeueDue(manager: usize): u64 {
  const ports = load<u32>(manager, R.MANAGER_PORTS);
  let due = NEVER;
  for (let at: u32 = 0; at < ports; at++) {
    const port = portOf(manager, at);
    if (isReady(port)) due = min(due, load<u64>(port, R.PORT_FREE));
  }
  return due == NEVER ? NEVER : max(due, load<u64>(manager, R.MANAGER_SLOT));
}

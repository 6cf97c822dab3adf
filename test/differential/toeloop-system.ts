/**
 * toeloop as the system under test: one stack in profile `linux`, in virtual time, at the end of a
 * wire in memory. The same script gives the same trace.
 */
import { profile } from "../../host/control-plane/profile.ts";
import type { SocketAddress } from "../../host/libtoe/calls.ts";
import * as C from "../../host/libtoe/constants.ts";
import { Wire } from "../../host/packetdrill/wire.ts";
import { Prng } from "../../host/prng.ts";
import { Stack } from "../../host/stack.ts";
import { addressText, type SocketCalls } from "./application.ts";
import type { Endpoints } from "./peer.ts";
import { SETTINGS } from "./settings.ts";
import type { Sent, System } from "./session.ts";

const MS = 1e6;
/** No timer of a stack that has just started is near. */
const ORIGIN = 1e9;
/** Polls at one time before a stack is said to run for ever. */
const POLLS_MAX = 10_000;
const LAYOUT = { connections: 64, queueDescriptors: 256, payloadBytes: 16 * 1024 * 1024 };
const EVENTS = C.POLLIN | C.POLLOUT | C.POLLRDHUP;

class ToeloopCalls implements SocketCalls {
  readonly #stack: Stack;

  constructor(stack: Stack) {
    this.#stack = stack;
  }

  socket(domain: number, type: number): number {
    const fd = this.#stack.toe.socket(domain, type);
    const socket = this.#stack.toe.internals.table.get(fd);
    if (socket === undefined) return fd;
    // As sysctls set them: unlike by SO_RCVBUF, autotuning goes on.
    socket.options = socket.options.own();
    socket.options.receiveBuffer = SETTINGS.receiveBuffer / 2;
    socket.options.receiveBufferMax = SETTINGS.receiveBufferMax / 2;
    socket.options.sendBuffer = SETTINGS.sendBuffer;
    return fd;
  }

  bind(fd: number, local: SocketAddress): number {
    return this.#stack.toe.bind(fd, local);
  }

  listen(fd: number, backlog: number): number {
    return this.#stack.toe.listen(fd, backlog);
  }

  accept(fd: number, flags: number): number {
    return this.#stack.toe.accept(fd, flags);
  }

  connect(fd: number, remote: SocketAddress): number {
    return this.#stack.toe.connect(fd, remote);
  }

  send(fd: number, bytes: Uint8Array, flags: number): number {
    return this.#stack.toe.send(fd, bytes, 0, bytes.length, flags);
  }

  recv(fd: number, bytes: Uint8Array, flags: number): number {
    return this.#stack.toe.recv(fd, bytes, 0, bytes.length, flags);
  }

  shutdown(fd: number, how: number): number {
    return this.#stack.toe.shutdown(fd, how);
  }

  close(fd: number): number {
    return this.#stack.toe.close(fd);
  }

  setsockopt(fd: number, level: number, name: number, value: number): number {
    return this.#stack.toe.setsockopt(fd, level, name, value);
  }

  setLinger(fd: number, seconds: number): number {
    const linger = { onoff: 1, linger: seconds };
    return this.#stack.toe.setsockopt(fd, C.SOL_SOCKET, C.SO_LINGER, linger);
  }

  takeError(fd: number): number {
    return Math.abs(Number(this.#stack.toe.getsockopt(fd, C.SOL_SOCKET, C.SO_ERROR)));
  }

  poll(fd: number): number {
    const entry = { fd, events: EVENTS, revents: 0 };
    this.#stack.toe.pollFds([entry]);
    return entry.revents;
  }
}

/** A stack by itself, whose ISN stands where the caller says. */
export class ToeloopSystem implements System {
  readonly calls: SocketCalls;
  readonly #wire = new Wire(SETTINGS.mtu, ORIGIN);
  readonly #stack: Stack;
  #now = 0;

  constructor(module: WebAssembly.Module, ends: Endpoints, isn: number) {
    const prng = new Prng(1);
    const addresses = [`${addressText(ends.local)}/${SETTINGS.prefix}`];
    this.#stack = new Stack({
      module,
      netifs: [{ netif: this.#wire, addresses }],
      entropy: (bytes) => prng.fill(bytes),
      profile: { ...profile("linux"), ecn: SETTINGS.ecn },
      layout: LAYOUT,
      initialSequence: () => isn,
    });
    this.calls = new ToeloopCalls(this.#stack);
    this.settle();
  }

  now(): number {
    return this.#now / MS;
  }

  settle(): void {
    for (let polls = 0; polls < POLLS_MAX; polls += 1) {
      if (!this.#stack.poll(ORIGIN + this.#now)) return;
    }
    throw new Error(`expected rest at ${this.now()} ms, got none in ${POLLS_MAX} polls`);
  }

  waitUntil(ms: number): Promise<void> {
    const end = Math.round(ms * MS);
    for (;;) {
      const next = this.#stack.nextDeadline() - ORIGIN;
      if (next > end) break;
      this.#now = Math.max(this.#now, next);
      this.settle();
    }
    this.#now = Math.max(this.#now, end);
    this.settle();
    return Promise.resolve();
  }

  inject(packet: Uint8Array): void {
    this.#wire.inject(packet);
    this.settle();
  }

  take(): Sent[] {
    const sent: Sent[] = [];
    for (;;) {
      const packet = this.#wire.take();
      if (packet === undefined) return sent;
      sent.push({ bytes: packet.bytes, at: packet.time / MS });
    }
  }
}

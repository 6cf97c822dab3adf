/**
 * A paced connection between two stacks of a WorldPair that sends without end, and its goodput as
 * the receiving application sees it.
 */
import { expect } from "vitest";
import * as C from "../../host/libtoe/constants.ts";
import type { LibToe } from "../../host/libtoe/libtoe.ts";
import { optionBytesUnderTest } from "../support/env.ts";
import { SECOND, type WorldPair } from "./world-pair.ts";

export const PORT = 80;
/** IPv4 and TCP, with timestamps where the data path has them; a full packet is 1,500 bytes. */
export const HEADERS = 40 + optionBytesUnderTest();
export const PACKET = 1500;
/** Share of a packet that is payload. */
export const GOODPUT = (PACKET - HEADERS) / PACKET;

/** A client that sends without end, and a server that counts what arrives. */
export class PacedTransfer {
  readonly pair: WorldPair;
  readonly client: number;
  readonly server: number;
  bytes = 0;
  /** Times of arrivals, ns, and the bytes of each. */
  readonly arrivals: [at: number, bytes: number][] = [];

  constructor(pair: WorldPair, listener: number, rate: number) {
    this.pair = pair;
    const toe = pair.clientToe;
    const fd = toe.socket();
    this.limit(fd, rate);
    toe.setsockopt(fd, C.SOL_SOCKET, C.SO_SNDBUF, 1 << 18);
    this.client = pair.connect(PORT, fd);
    this.server = pair.accept(listener);
    const data = new Uint8Array(65536);
    pair.client.applications.push(() => toe.send(this.client, data) > 0);
    pair.server.applications.push(() => this.#read(pair.serverToe, data));
    pair.client.wakeAt = pair.world.now;
  }

  limit(fd: number, rate: number): void {
    const toe = this.pair.clientToe;
    expect(toe.setsockopt(fd, C.SOL_SOCKET, C.SO_MAX_PACING_RATE, rate)).toBe(0);
    expect(toe.getsockopt(fd, C.SOL_SOCKET, C.SO_MAX_PACING_RATE)).toBe(rate);
  }

  #read(toe: LibToe, into: Uint8Array): boolean {
    const count = toe.recv(this.server, into);
    if (count <= 0) return false;
    this.bytes += count;
    this.arrivals.push([this.pair.world.now, count]);
    return true;
  }

  /** Goodput from the second arrival on, bytes per second, over `segments` more. */
  goodput(segments: number): number {
    this.arrivals.length = 0;
    this.pair.until(() => this.arrivals.length > segments, "the segments");
    const [from] = this.arrivals[0] as [number, number];
    const [to] = this.arrivals.at(-1) as [number, number];
    const bytes = this.arrivals.slice(1).reduce((sum, [, count]) => sum + count, 0);
    return (bytes * SECOND) / (to - from);
  }
}

/**
 * Goal: open() gives a socket's row the numbers of its connection, and nothing to anybody else's.
 * Method: rows full of ones before it, connections over several buffers, segments and sequence
 * numbers; the threshold's rule is that of RFC 9293, 3.8.6.2.2, read again.
 */
import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { INFO_MSS } from "../../../bindings/abi/descriptor.ts";
import { CORE_INFO } from "../../../bindings/abi/memory-map.ts";
import * as S from "../../../bindings/abi/socket.ts";
import { testCore } from "../../support/load-core.ts";
import { RawCore } from "../../support/raw-core.ts";

const CONTEXT = 1;
/** Of streams: where they begin. */
const SEQ_CORNERS = [0, 1, 0x7fffffff, 0x80000000, 0xffffffff];

/** A core, its context's LIBTOE record, and how to see a row. */
function start() {
  const raw = new RawCore(testCore({ chunkBytes: 1024 }));
  const { core } = raw;
  const library = (core.map.base.libtoe as number) + CONTEXT * S.LIBTOE_SIZE;
  const sockets = core.map.base.sockets as number;
  const row = (connection: number): Uint32Array => {
    return new Uint32Array(core.memory.buffer, sockets + connection * S.SOCKET_SIZE, 16);
  };
  const field = (connection: number, at: number): number => row(connection)[at >>> 2] as number;
  return { raw, core, library, row, field };
}

function mssOf({ core }: RawCore): number {
  core.exports.inspect(core.address, 1);
  const info = core.words[(core.address + CORE_INFO) >>> 2] as number;
  return core.words[(info + INFO_MSS) >>> 2] as number;
}

/** With all the rest free, what is read and not announced leaves a segment, or half the buffer. */
function mostUnannounced(buffer: number, mss: number): number {
  const worth = Math.min(mss, buffer / 2);
  return Math.min(buffer / 4, buffer - 2 * worth);
}

test.each(SEQ_CORNERS)("numbers of buffers and streams, from sequence number %i", (seq) => {
  for (const [rxShift, txShift] of [
    [11, 14],
    [12, 11],
    [16, 16],
  ] as const) {
    for (const mss of [536, 1000, 1448, 2000, 3000]) {
      const { raw, core, library, row, field } = start();
      const bufferStart = 100;
      raw.establish({
        rxShift,
        txShift,
        mss,
        rxSeq: seq,
        txSeq: (seq + 7) >>> 0,
        bufferStart,
        localScale: 1,
      });
      row(1).fill(0xffffffff);
      expect(core.exports.open(library, 1, 5)).toBe(1);
      const limit = mssOf(raw);
      expect(field(1, S.SOCKET_RX_THRESHOLD)).toBe(mostUnannounced(2 ** rxShift, limit));
      expect(field(1, S.SOCKET_TX_BYTES)).toBe(2 ** txShift);
      expect(field(1, S.SOCKET_TX_FREE)).toBe(2 ** txShift);
      expect(field(1, S.SOCKET_RX_OFFSET)).toBe(bufferStart);
      expect(field(1, S.SOCKET_TX_OFFSET)).toBe(bufferStart);
      for (const at of [S.SOCKET_RX_AVAIL, S.SOCKET_RX_CREDIT, S.SOCKET_TX_APPEND]) {
        expect(field(1, at)).toBe(0);
      }
      expect(field(1, S.SOCKET_OWNER)).toBe(library);
      expect(field(1, S.SOCKET_GENERATION)).toBe(5);
      expect(field(1, S.SOCKET_CAUSE)).toBe(0);
      expect(field(1, S.SOCKET_STATE)).toBe(S.SOCKET_OPEN | S.SOCKET_SENDABLE);
      // The lists are walked by what stands here: the row's last user has taken it out of them.
      expect(field(1, S.SOCKET_QUEUED)).toBe(0xffffffff);
    }
  }
});

test("threats U01, D01: only of an installed connection, whatever number is asked", () => {
  const { raw, core, library, row } = start();
  raw.establish();
  raw.bind({ connection: 2, remotePort: 40001 });
  const connections = core.map.options.connections;
  const sum = (): string => createHash("sha256").update(core.bytes).digest("hex");
  const before = sum();
  for (const connection of [0, 2, 3, connections, connections + 1, 0x7fffffff, 0xffffffff]) {
    expect(core.exports.open(library, connection, 1)).toBe(0);
  }
  expect(sum()).toBe(before);
  core.exports.uninstall(core.address, 1);
  row(1).fill(0xffffffff);
  expect(core.exports.open(library, 1, 1)).toBe(0);
  expect(row(1).every((word) => word === 0xffffffff)).toBe(true);
});

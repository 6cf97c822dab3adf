/**
 * SO_LINGER {1, n}: closeAsync() resolves when the peer has acknowledged all, FIN included, or
 * after n seconds (POSIX); close() waits for nothing. Whoever was not waited for is an orphan that
 * still delivers what was written.
 */
import { describe, expect, test } from "vitest";
import { ERRNO } from "../../host/errors.ts";
import * as C from "../../host/libtoe/constants.ts";
import { RawConnection } from "../rfc/raw-connection.ts";
import { ACK, FIN } from "../support/frames.ts";

const SECOND = 1e9;
const MS = 1e6;
const BYTES = 1000;

/** BYTES wait for a window that the peer keeps closed. */
function waiting(linger: number): RawConnection {
  const c = new RawConnection(7000);
  c.send({ window: 0 });
  expect(c.toe.setsockopt(c.fd, C.SOL_SOCKET, C.SO_LINGER, { onoff: 1, linger })).toBe(0);
  expect(c.toe.send(c.fd, new Uint8Array(BYTES))).toBe(BYTES);
  expect(c.peer.settle()).toEqual([]);
  return c;
}

/** closeAsync(); what became of it, and a turn of the promises. */
function closing(c: RawConnection) {
  const seen = { outcome: "waits" };
  c.toe.closeAsync(c.fd).then(
    () => {
      seen.outcome = "closed";
    },
    (error: Error) => {
      seen.outcome = error.message;
    },
  );
  // A timeout starts with the next poll.
  expect(c.peer.settle()).toEqual([]);
  const passed = async (ns: number): Promise<string> => {
    c.pass(ns, Math.min(ns, 100 * MS));
    await new Promise<void>((resolve) => queueMicrotask(resolve));
    for (let i = 0; i < 10; i += 1) await Promise.resolve();
    return seen.outcome;
  };
  return passed;
}

/** The window opens: bytes and FIN leave, and their ACK and the peer's FIN are the end of it. */
function expectDelivered(c: RawConnection): void {
  const sent = c.send({ window: 65535 });
  expect(sent.reduce((sum, { payloadLength }) => sum + payloadLength, 0)).toBe(BYTES);
  expect(sent.some(({ flags }) => (flags & FIN) !== 0)).toBe(true);
  c.ack = (c.ack + BYTES + 1) >>> 0;
  c.send({});
  expect(c.state).toBe("FIN-WAIT-2");
  c.send({ flags: FIN | ACK });
  expect(c.state).toBe("TIME-WAIT");
}

const orphans = (c: RawConnection): number => c.peer.stack.control.counters.orphans;

describe("SO_LINGER {1, 2}", () => {
  test("closeAsync resolves when bytes and FIN are acknowledged, not before", async () => {
    const c = waiting(2);
    const passed = closing(c);
    expect(await passed(500 * MS)).toBe("waits");
    const sent = c.send({ window: 65535 });
    expect(sent.reduce((sum, { payloadLength }) => sum + payloadLength, 0)).toBe(BYTES);
    // The bytes alone, without the FIN.
    c.ack = (c.ack + BYTES) >>> 0;
    c.send({});
    expect(await passed(100 * MS)).toBe("waits");
    c.ack = (c.ack + 1) >>> 0;
    c.send({});
    expect(await passed(1)).toBe("closed");
    expect(c.toe.close(c.fd)).toBe(-ERRNO.EBADF);
    expect(c.state).toBe("FIN-WAIT-2");
  });

  test("closeAsync resolves at 2 s, not before; the rest is an orphan's", async () => {
    const c = waiting(2);
    const passed = closing(c);
    expect(await passed(2 * SECOND - 10 * MS)).toBe("waits");
    expect(orphans(c)).toBe(0);
    expect(await passed(20 * MS)).toBe("closed");
    expect(c.toe.close(c.fd)).toBe(-ERRNO.EBADF);
    expect([c.state, orphans(c)]).toEqual(["FIN-WAIT-1", 1]);
    expectDelivered(c);
    expect(orphans(c)).toBe(0);
  });

  test("close returns at once, whatever waits; all of it is an orphan's", () => {
    const c = waiting(2);
    expect(c.toe.close(c.fd)).toBe(0);
    expect(c.toe.close(c.fd)).toBe(-ERRNO.EBADF);
    c.pass(3 * SECOND);
    expect([c.state, orphans(c)]).toEqual(["FIN-WAIT-1", 1]);
    expectDelivered(c);
  });
});

test("without SO_LINGER closeAsync waits as long as it takes", async () => {
  const c = waiting(2);
  c.toe.setsockopt(c.fd, C.SOL_SOCKET, C.SO_LINGER, { onoff: 0, linger: 2 });
  const passed = closing(c);
  expect(await passed(60 * SECOND)).toBe("waits");
  expect(orphans(c)).toBe(0);
});

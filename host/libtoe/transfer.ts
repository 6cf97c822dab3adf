/**
 * send and recv, the hot path: append() or consume() keeps the socket's numbers and says where the
 * bytes go or stand, and one copy follows. The data path hears of it at the next flush().
 *
 * Invariant: never throws, never reads or writes outside the caller's range or the free space
 * (threats U04). Receive-buffer credit rides on the next append for free; alone it is given back
 * when more than a quarter of the buffer was read (libTOE's rule), so at least three quarters of
 * the window stay open. What finds no chunk in the arena is not taken: backpressure.
 */
import { INFO_MSS } from "../../bindings/abi/descriptor.ts";
import { MSS_DEFAULT_IPV4 } from "../../bindings/abi/limits.ts";
import { SOCKET_RX_AVAIL, SOCKET_TX_FREE } from "../../bindings/abi/socket.ts";
import { ERRNO } from "../errors.ts";
import type { Connections } from "./connections.ts";
import { ENOTSOCK, MSG_MORE, MSG_PEEK, MSG_TRUNC } from "./constants.ts";
import { liveWord } from "./live-figures.ts";
import { waitingBytes } from "./outbox.ts";
import { type Socket, SOCKET_CLOSED, SOCKET_CONNECTED, SOCKET_CONNECTING } from "./socket.ts";
import { SOCKET_EPOLL } from "./socket.ts";

// Fields of a socket's row, in words.
const RX_AVAIL = SOCKET_RX_AVAIL >>> 2;
const TX_FREE = SOCKET_TX_FREE >>> 2;
/** Linux's UIO_MAXIOV. */
const SPANS_MAX = 1024;

/** True when the range lies within the bytes: offset and length are integers of 32 bits. */
export function isRange(bytes: Uint8Array, offset: number, length: number): boolean {
  return offset >>> 0 === offset && length >>> 0 === length && offset + length <= bytes.length;
}

/** 0, or -EFAULT (not bytes, or a range beyond them) or -EINVAL (not an offset or length). */
export function rangeError(bytes: Uint8Array, offset: number, length: number): number {
  if (!(bytes instanceof Uint8Array)) return -ERRNO.EFAULT;
  if (offset >>> 0 !== offset || length >>> 0 !== length) {
    // Two numbers in a row: an offset past the end makes the default length negative.
    return offset > bytes.length ? -ERRNO.EFAULT : -ERRNO.EINVAL;
  }
  return offset + length > bytes.length ? -ERRNO.EFAULT : 0;
}

/** Appends bytes: how many, or a negative errno. The range has been checked. */
export function transmit(
  toe: Connections,
  socket: Socket,
  source: Uint8Array,
  offset: number,
  length: number,
  flags: number,
): number {
  if (socket.sendable === false) return refuseSend(socket);
  const known = socket.txKnown;
  const registered = known.bytes === source ? known.address | 0 : 0;
  if (registered !== 0 && flags === 0) {
    const sent = toe.rows.transmit(socket.connection, registered + offset, length);
    if (sent !== 0) {
      toe.ring();
      return sent;
    }
  }
  const free = (socket.ints[(socket.row + TX_FREE) | 0] as number) | 0;
  const count = length < free ? length : free;
  if (count === 0) return length === 0 ? 0 : -ERRNO.EAGAIN;
  const held = (flags & MSG_MORE) !== 0;
  if (held) {
    const whole = wholeSegments(toe, socket, count);
    if (whole > 0) return transmitWhole(toe, socket, source, offset, length, flags, whole);
  }
  const address = toe.rows.append(socket.connection, count, held);
  // Bytes in several chunks, and bytes for which there was none.
  const taken = address === 0 ? toe.rows.taken : count;
  if (taken === 0) return toe.starve(socket);
  toe.memory.write(socket, address, source, offset, taken);
  if (held && taken < free) toe.hold(socket);
  else toe.ring();
  return taken;
}

/** Of `count` bytes that may wait: those that fill segments, with what waits already. */
function wholeSegments(toe: Connections, socket: Socket, count: number): number {
  const waiting = waitingBytes(socket);
  if (waiting + count < MSS_DEFAULT_IPV4) return 0;
  const mss = liveWord(toe.core, socket, INFO_MSS);
  return mss === 0 ? 0 : count - ((waiting + count) % mss);
}

/** MSG_MORE holds back what is smaller than a segment: `whole` bytes leave, the others wait. */
function transmitWhole(
  toe: Connections,
  socket: Socket,
  source: Uint8Array,
  offset: number,
  length: number,
  flags: number,
  whole: number,
): number {
  const sent = transmit(toe, socket, source, offset, whole, flags & ~MSG_MORE);
  // A full ring or arena: the caller comes again with the rest.
  if (sent < whole || whole === length) return sent;
  if (!toe.rows.put(socket.connection, 0)) return sent;
  toe.kick();
  const held = transmit(toe, socket, source, offset + whole, length - whole, flags);
  return held > 0 ? sent + held : sent;
}

function refuseSend(socket: Socket): number {
  if (socket.state === SOCKET_EPOLL) return -ENOTSOCK;
  if (socket.error !== 0) return -socket.takeError();
  if (socket.state === SOCKET_CONNECTING) return -ERRNO.EAGAIN;
  // After shutdown(), or after the connection's end.
  if (socket.state === SOCKET_CONNECTED || socket.state === SOCKET_CLOSED) return -ERRNO.EPIPE;
  return -ERRNO.ENOTCONN;
}

/** Reads bytes: how many, 0 at the end of the stream, or a negative errno. */
export function receive(
  toe: Connections,
  socket: Socket,
  target: Uint8Array,
  offset: number,
  length: number,
  flags: number,
): number {
  const { row, rxKnown } = socket;
  if (rxKnown.bytes === target && flags === 0) {
    const registered = rxKnown.address | 0;
    if (registered !== 0) {
      const got = toe.rows.receive(socket.connection, registered + offset, length);
      if (got !== 0) {
        toe.ringForCredit();
        return got;
      }
    }
  }
  const available = row === 0 ? 0 : (socket.ints[(row + RX_AVAIL) | 0] as number) | 0;
  if (available === 0) return receiveLeft(socket, target, offset, length, flags);
  const count = length < available ? length : available;
  // Nothing is written to a buffer of no bytes: it may be detached (threats U04).
  if (count === 0) return 0;
  if ((flags & (MSG_PEEK | MSG_TRUNC)) !== 0) {
    return receiveOtherwise(toe, socket, target, offset, count, flags);
  }
  const address = toe.rows.consume(socket.connection, count);
  toe.ringForCredit();
  toe.memory.read(socket, address, target, offset, count);
  return count;
}

function nothingToRead(socket: Socket, length: number): number {
  if (socket.state === SOCKET_EPOLL) return -ENOTSOCK;
  if (socket.error !== 0) return -socket.takeError();
  if (socket.state === SOCKET_CONNECTING) return -ERRNO.EAGAIN;
  if (socket.state !== SOCKET_CONNECTED && socket.state !== SOCKET_CLOSED) return -ERRNO.ENOTCONN;
  if (length === 0 || socket.rxClosed || socket.rxShut) return 0;
  return -ERRNO.EAGAIN;
}

/** Peeking, and dropping (MSG_TRUNC, as Linux's TCP has it). */
function receiveOtherwise(
  toe: Connections,
  socket: Socket,
  target: Uint8Array,
  offset: number,
  count: number,
  flags: number,
): number {
  if ((flags & MSG_TRUNC) === 0) toe.memory.peek(socket, target, offset, count);
  if ((flags & MSG_PEEK) !== 0) return count;
  toe.rows.consume(socket.connection, count);
  toe.ringForCredit();
  return count;
}

/** What a connection left behind, if it did. */
function receiveLeft(
  socket: Socket,
  target: Uint8Array,
  offset: number,
  length: number,
  flags: number,
): number {
  const { tail, tailAt } = socket.rare;
  if (tail === undefined || tailAt === tail.length) return nothingToRead(socket, length);
  const count = Math.min(length, tail.length - tailAt);
  if (count === 0) return 0;
  if ((flags & MSG_TRUNC) === 0) target.set(tail.subarray(tailAt, tailAt + count), offset);
  if ((flags & MSG_PEEK) !== 0) return count;
  const rare = socket.own();
  rare.tailAt = tailAt + count;
  if (rare.tailAt === tail.length) rare.tail = undefined;
  return count;
}

function spansError(spans: readonly Uint8Array[]): number {
  if (!Array.isArray(spans)) return -ERRNO.EFAULT;
  if (spans.length > SPANS_MAX) return -ERRNO.EMSGSIZE;
  return spans.every((span) => span instanceof Uint8Array) ? 0 : -ERRNO.EFAULT;
}

type Move = (
  toe: Connections,
  socket: Socket,
  bytes: Uint8Array,
  offset: number,
  length: number,
  flags: number,
) => number;

/** One span after the other until one is not used whole; the sum, or the first span's error. */
function moveSpans(
  move: Move,
  toe: Connections,
  socket: Socket,
  spans: readonly Uint8Array[],
  flags: number,
): number {
  const error = spansError(spans);
  if (error !== 0) return error;
  let total = 0;
  for (const span of spans) {
    if (span.length === 0) continue;
    const moved = move(toe, socket, span, 0, span.length, flags);
    if (moved < 0) return total > 0 ? total : moved;
    total += moved;
    if (moved < span.length) return total;
  }
  // Nothing but empty spans: what an empty span answers.
  return total > 0 ? total : move(toe, socket, EMPTY, 0, 0, flags);
}

const EMPTY = new Uint8Array(0);

/** sendmsg: gathers. */
export function transmitSpans(
  toe: Connections,
  socket: Socket,
  spans: readonly Uint8Array[],
  flags: number,
): number {
  return moveSpans(transmit, toe, socket, spans, flags);
}

/** recvmsg: scatters. MSG_PEEK peeks into the first span only. */
export function receiveSpans(
  toe: Connections,
  socket: Socket,
  spans: readonly Uint8Array[],
  flags: number,
): number {
  const peek = (flags & MSG_PEEK) !== 0 && Array.isArray(spans);
  return moveSpans(receive, toe, socket, peek ? spans.slice(0, 1) : spans, flags);
}

/**
 * A script's system calls over libTOE. Sockets block unless they are O_NONBLOCK: what libTOE
 * answers with EAGAIN is tried again, until the call's time is over.
 *
 * What a call writes is the connection's stream (flow.ts), and what it reads is compared with the
 * peer's, so that a byte that is lost or doubled shows without the script saying a word.
 */
import { ERRNO } from "../errors.ts";
import type { SocketAddress } from "../libtoe/calls.ts";
import * as C from "../libtoe/constants.ts";
import type { Stack } from "../stack.ts";
import { CallArguments } from "./call-arguments.ts";
import { type Flow, streamByte } from "./flow.ts";
import { SIOCINQ, SIOCOUTQ } from "./parse-call.ts";
import { epollControl, epollWait, poll, type StartedCall } from "./readiness-calls.ts";
import type { CallEvent, Value } from "./script.ts";
import { ScriptDescriptors } from "./script-descriptors.ts";
import type { Settings } from "./settings.ts";

/** The connection between two ports, if the script has seen it. */
export type FindFlow = (localPort: number, remotePort: number) => Flow | undefined;

/** What C's NULL is to libTOE: no bytes at all. */
const NO_BUFFER = undefined as unknown as Uint8Array;
const BYTES_MAX = 64 * 1024 * 1024;

function forEver(attempt: () => number | undefined): StartedCall {
  return { attempt, timeout: Number.POSITIVE_INFINITY };
}

function atOnce(result: number): StartedCall {
  return forEver(() => result);
}

export class Calls {
  readonly #file: string;
  readonly #stack: Stack;
  readonly #settings: Settings;
  readonly #findFlow: FindFlow;
  readonly #descriptors = new ScriptDescriptors();
  /** libTOE's descriptor -> bytes read. */
  readonly #read = new Map<number, number>();

  constructor(file: string, stack: Stack, settings: Settings, findFlow: FindFlow) {
    this.#file = file;
    this.#stack = stack;
    this.#settings = settings;
    this.#findFlow = findFlow;
  }

  /** Starts the call; throws ScriptError when it or an argument is not known. */
  start(event: CallEvent): StartedCall {
    const args = new CallArguments(this.#file, event);
    const rule = Object.hasOwn(RULES, event.name) ? RULES[event.name] : undefined;
    if (rule === undefined) {
      const known = Object.keys(RULES).join(", ");
      return args.fail(`expected a call that the stack has (${known})`);
    }
    return rule(this, args);
  }

  socket(args: CallArguments): StartedCall {
    args.need(3);
    const family = this.#settings.ipVersion === 6 ? C.AF_INET6 : C.AF_INET;
    const domain = args.at(0).kind === "ellipsis" ? family : args.number(0);
    const protocol = args.at(2).kind === "ellipsis" ? 0 : args.number(2);
    const fd = this.#stack.toe.socket(domain, args.number(1), protocol);
    for (const [level, name, value] of fd >= 0 ? this.#settings.sockets : []) {
      this.#stack.toe.setsockopt(fd, level, name, value);
    }
    this.#size(fd);
    return atOnce(this.#descriptors.name(args.event, fd));
  }

  /** Buffers as a sysctl sets them: unlike by SO_RCVBUF, autotuning goes on. */
  #size(fd: number): void {
    const socket = this.#stack.toe.internals.table.get(fd);
    if (socket === undefined) return;
    const { receiveBuffer, receiveBufferMax, sendBuffer } = this.#settings;
    socket.options = socket.options.own();
    if (receiveBuffer !== undefined) socket.options.receiveBuffer = receiveBuffer;
    if (receiveBufferMax !== undefined) socket.options.receiveBufferMax = receiveBufferMax;
    if (sendBuffer !== undefined) socket.options.sendBuffer = sendBuffer;
  }

  #blocks(fd: number): boolean {
    const flags = this.#stack.toe.fcntl(fd, C.F_GETFL);
    return flags >= 0 && (flags & C.O_NONBLOCK) === 0;
  }

  /** Tries until the result is not EAGAIN, if the descriptor blocks. */
  #retried(fd: number, attempt: () => number, flags = 0): StartedCall {
    const blocks = this.#blocks(fd) && (flags & C.MSG_DONTWAIT) === 0;
    return forEver(() => {
      const result = attempt();
      return blocks && result === -ERRNO.EAGAIN ? undefined : result;
    });
  }

  bind(args: CallArguments): StartedCall {
    args.need(3);
    const { localAddress, bindPort } = this.#settings;
    const local = args.address(1, { address: localAddress, port: bindPort });
    return atOnce(this.#stack.toe.bind(this.#descriptors.at(args), local));
  }

  listen(args: CallArguments): StartedCall {
    args.need(2);
    return atOnce(this.#stack.toe.listen(this.#descriptors.at(args), args.number(1)));
  }

  accept(args: CallArguments): StartedCall {
    args.need(3);
    const flags = args.count > 3 ? args.number(3) : 0;
    const fd = this.#descriptors.at(args);
    return this.#retried(fd, () =>
      this.#descriptors.name(args.event, this.#stack.toe.accept(fd, flags)),
    );
  }

  connect(args: CallArguments): StartedCall {
    args.need(3);
    const { remoteAddress, connectPort } = this.#settings;
    const remote: SocketAddress = args.address(1, { address: remoteAddress, port: connectPort });
    const fd = this.#descriptors.at(args);
    const { toe } = this.#stack;
    if (!this.#blocks(fd)) return atOnce(toe.connect(fd, remote));
    let started = false;
    return forEver(() => {
      const result = toe.connect(fd, remote);
      if (result === -ERRNO.EINPROGRESS || result === -ERRNO.EALREADY) {
        started = true;
        return undefined;
      }
      return started && result === -ERRNO.EISCONN ? 0 : result;
    });
  }

  #flow(fd: number): Flow | undefined {
    const { toe } = this.#stack;
    const [local, remote] = [toe.getsockname(fd), toe.getpeername(fd)];
    if (typeof local === "number" || typeof remote === "number") return undefined;
    return this.#findFlow(local.port, remote.port);
  }

  /** Bytes for a write: the script's text, or the stream's own. */
  #payload(args: CallArguments, value: Value | string | undefined, length: number, at: number) {
    if (length < 0 || length > BYTES_MAX) args.fail(`expected 0..${BYTES_MAX}, got ${length}`);
    const text = typeof value === "string" ? value : value?.kind === "text" ? value.value : "";
    const bytes = Uint8Array.from({ length }, (_, i) => streamByte(at + i));
    bytes.set(new TextEncoder().encode(text).subarray(0, length));
    return bytes;
  }

  #write(fd: number, bytes: Uint8Array, flags: number): StartedCall {
    const { toe } = this.#stack;
    const flow = this.#flow(fd);
    let total = 0;
    const blocks = this.#blocks(fd) && (flags & C.MSG_DONTWAIT) === 0;
    return forEver(() => {
      const sent = toe.send(fd, bytes, total, bytes.length - total, flags);
      if (sent > 0) flow?.written.append(bytes.subarray(total, total + sent));
      if (sent > 0) total += sent;
      if (sent < 0 && sent !== -ERRNO.EAGAIN) return total > 0 ? total : sent;
      if (total < bytes.length && blocks) return undefined;
      return total > 0 || sent >= 0 ? total : sent;
    });
  }

  /** write, send, sendto: buffer, length, flags. */
  send(args: CallArguments): StartedCall {
    args.need(3);
    const fd = this.#descriptors.at(args);
    const at = this.#flow(fd)?.written.length ?? 0;
    if (args.at(1).kind === "null") return atOnce(this.#stack.toe.send(fd, NO_BUFFER));
    const bytes = this.#payload(args, args.at(1), args.number(2), at);
    return this.#write(fd, bytes, args.count > 3 ? args.number(3) : 0);
  }

  #gather(args: CallArguments, spans: Value, flags: number): StartedCall {
    const fd = this.#descriptors.at(args);
    let at = this.#flow(fd)?.written.length ?? 0;
    const parts = args.spans(spans).map(({ text, length }) => {
      const part = this.#payload(args, text, length, at);
      at += length;
      return [...part];
    });
    return this.#write(fd, Uint8Array.from(parts.flat()), flags);
  }

  writev(args: CallArguments): StartedCall {
    args.need(3);
    return this.#gather(args, args.at(1), 0);
  }

  sendmsg(args: CallArguments): StartedCall {
    args.need(3);
    const spans = args.record(args.at(1), "the message").get("msg_iov");
    return this.#gather(args, spans ?? args.fail("expected msg_iov"), args.number(2));
  }

  /** read, recv, recvfrom: buffer, length, flags. */
  receive(args: CallArguments): StartedCall {
    args.need(3);
    const fd = this.#descriptors.at(args);
    const length = args.number(2);
    if (length < 0 || length > BYTES_MAX) args.fail(`expected 0..${BYTES_MAX}, got ${length}`);
    const flags = args.count > 3 ? args.number(3) : 0;
    if (args.at(1).kind === "null") return atOnce(this.#stack.toe.recv(fd, NO_BUFFER));
    const bytes = new Uint8Array(length);
    return this.#retried(fd, () => this.#receive(args, fd, bytes, flags), flags);
  }

  /** readv: the spans are one buffer. */
  readv(args: CallArguments, spans = args.at(1), flags = 0): StartedCall {
    args.need(3);
    const fd = this.#descriptors.at(args);
    const length = args.spans(spans).reduce((sum, span) => sum + span.length, 0);
    if (length > BYTES_MAX) args.fail(`expected 0..${BYTES_MAX}, got ${length}`);
    const bytes = new Uint8Array(length);
    return this.#retried(fd, () => this.#receive(args, fd, bytes, flags), flags);
  }

  recvmsg(args: CallArguments): StartedCall {
    args.need(3);
    const spans = args.record(args.at(1), "the message").get("msg_iov");
    return this.readv(args, spans ?? args.fail("expected msg_iov"), args.number(2));
  }

  #receive(args: CallArguments, fd: number, bytes: Uint8Array, flags: number): number {
    const got = this.#stack.toe.recv(fd, bytes, 0, bytes.length, flags & ~C.MSG_DONTWAIT);
    if (got <= 0) return got;
    const from = this.#read.get(fd) ?? 0;
    for (let i = 0; i < got && (flags & C.MSG_TRUNC) === 0; i += 1) {
      if (bytes[i] !== streamByte(from + i)) {
        args.fail(`expected the peer's byte ${from + i} of the stream, got another`);
      }
    }
    if ((flags & C.MSG_PEEK) === 0) this.#read.set(fd, from + got);
    return got;
  }

  shutdown(args: CallArguments): StartedCall {
    args.need(2);
    return atOnce(this.#stack.toe.shutdown(this.#descriptors.at(args), args.number(1)));
  }

  close(args: CallArguments): StartedCall {
    args.need(1);
    const result = this.#stack.toe.close(this.#descriptors.at(args));
    this.#descriptors.forget(args.number(0));
    return atOnce(result);
  }

  fcntl(args: CallArguments): StartedCall {
    args.need(2);
    const argument = args.count > 2 ? args.number(2) : 0;
    // O_RDWR is part of what F_GETFL gave.
    const set = argument & C.O_NONBLOCK;
    return atOnce(this.#stack.toe.fcntl(this.#descriptors.at(args), args.number(1), set));
  }

  setsockopt(args: CallArguments): StartedCall {
    args.need(4);
    const value = args.at(3);
    const fd = this.#descriptors.at(args);
    const { toe } = this.#stack;
    const [level, name] = [args.number(1), args.number(2)];
    if (value.kind === "text") return atOnce(toe.setsockopt(fd, level, name, value.value));
    if (value.kind !== "record") {
      const number = args.expectedNumber(3) ?? args.fail("expected a value, got ...");
      return atOnce(toe.setsockopt(fd, level, name, number));
    }
    const fields = [...value.fields.values()];
    const onoff = args.numberIn(fields[0], "onoff");
    const linger = args.numberIn(fields[1], "linger");
    return atOnce(toe.setsockopt(fd, level, name, { onoff, linger }));
  }

  getsockopt(args: CallArguments): StartedCall {
    args.need(4);
    const result = this.#stack.toe.getsockopt(
      this.#descriptors.at(args),
      args.number(1),
      args.number(2),
    );
    if (typeof result === "number" && result < 0) return atOnce(result);
    if (typeof result === "object" && !("onoff" in result)) {
      args.fail("expected %{ assert tcpi_... }% for TCP_INFO");
    }
    const wanted = args.at(3);
    const expected = wanted.kind === "text" ? wanted.value : args.expectedNumber(3);
    const got = typeof result === "object" ? ("onoff" in result ? result.onoff : 0) : result;
    if (expected !== undefined && expected !== got) {
      args.fail(`expected the option's value ${expected}, got ${got}`);
    }
    return atOnce(0);
  }

  /** SIOCINQ: bytes unread; SIOCOUTQ: bytes written and not acknowledged. */
  ioctl(args: CallArguments): StartedCall {
    args.need(3);
    const fd = this.#descriptors.at(args);
    const { toe } = this.#stack;
    const socket = toe.internals.table.get(fd);
    if (socket === undefined) return atOnce(-ERRNO.EBADF);
    const request = args.number(1);
    if (request !== SIOCINQ && request !== SIOCOUTQ) args.fail("expected SIOCINQ or SIOCOUTQ");
    const info = toe.internals.control.info(socket.connection);
    const queued = info.txSent + info.txAvail;
    const got = request === SIOCINQ ? socket.rxAvail : queued;
    const expected = args.expectedNumber(2);
    if (expected !== undefined && expected !== got) {
      args.fail(`expected ${expected} bytes queued, got ${got}`);
    }
    return atOnce(0);
  }

  poll(args: CallArguments): StartedCall {
    return poll(this.#stack.toe, this.#descriptors, args);
  }

  epollCreate(args: CallArguments): StartedCall {
    args.need(1);
    // Of epoll_create() Linux ignores the size.
    const flags = args.event.name === "epoll_create1" ? args.number(0) : 0;
    const fd = this.#stack.toe.epollCreate(flags);
    return atOnce(this.#descriptors.name(args.event, fd));
  }

  epollControl(args: CallArguments): StartedCall {
    return atOnce(epollControl(this.#stack.toe, this.#descriptors, args));
  }

  epollWait(args: CallArguments): StartedCall {
    return epollWait(this.#stack.toe, this.#descriptors, args);
  }
}

type Rule = (calls: Calls, args: CallArguments) => StartedCall;

const RULES: Readonly<Record<string, Rule>> = {
  socket: (calls, args) => calls.socket(args),
  bind: (calls, args) => calls.bind(args),
  listen: (calls, args) => calls.listen(args),
  accept: (calls, args) => calls.accept(args),
  accept4: (calls, args) => calls.accept(args),
  connect: (calls, args) => calls.connect(args),
  write: (calls, args) => calls.send(args),
  send: (calls, args) => calls.send(args),
  sendto: (calls, args) => calls.send(args),
  writev: (calls, args) => calls.writev(args),
  sendmsg: (calls, args) => calls.sendmsg(args),
  read: (calls, args) => calls.receive(args),
  recv: (calls, args) => calls.receive(args),
  recvfrom: (calls, args) => calls.receive(args),
  shutdown: (calls, args) => calls.shutdown(args),
  close: (calls, args) => calls.close(args),
  fcntl: (calls, args) => calls.fcntl(args),
  setsockopt: (calls, args) => calls.setsockopt(args),
  getsockopt: (calls, args) => calls.getsockopt(args),
  ioctl: (calls, args) => calls.ioctl(args),
  poll: (calls, args) => calls.poll(args),
  readv: (calls, args) => calls.readv(args),
  recvmsg: (calls, args) => calls.recvmsg(args),
  epoll_create: (calls, args) => calls.epollCreate(args),
  epoll_create1: (calls, args) => calls.epollCreate(args),
  epoll_ctl: (calls, args) => calls.epollControl(args),
  epoll_wait: (calls, args) => calls.epollWait(args),
};

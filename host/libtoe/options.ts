/**
 * Socket options: one table of what can be set and read, by level and name, with Linux's numbers,
 * ranges and units. Unknown options answer -ENOPROTOOPT, values out of range -EINVAL (threats
 * U14), unknown names -ENOENT; a refused value changes nothing.
 */
import { INFO_RX_BUFFER, INFO_TX_BUFFER } from "../../bindings/abi/descriptor.ts";
import { largestBufferShift } from "../../bindings/layout.ts";
import type { ConnectionInfo, ConnectionOptions } from "../control-plane/interface.ts";
import { ERRNO } from "../errors.ts";
import type { Connections } from "./connections.ts";
import { liveWord } from "./live-figures.ts";
import * as C from "./constants.ts";
import { SOCKET_IDLE, SOCKET_LISTENING, type Socket } from "./socket.ts";

/**
 * The options of a socket, all set; sockets that have changed none share one record. The control
 * plane reads the same object.
 */
export class SocketOptions implements ConnectionOptions {
  receiveBuffer = 65536;
  receiveBufferMax = 4194304;
  sendBuffer = 65536;
  noDelay = false;
  cork = false;
  quickAck = false;
  keepAlive = false;
  keepAliveIdle = 7200000;
  keepAliveInterval = 75000;
  keepAliveCount = 9;
  userTimeout = 0;
  maxSegment = 0;
  synRetries = 0;
  linger = -1;
  ttl = 64;
  tos = 0;
  congestion = "";
  pacingRate = 0;
  reuseAddress = false;
  reusePort = false;
  ipv6Only = false;
  linger2 = 60000;

  /** Several sockets have it: whoever changes an option takes a copy. */
  #shared = false;

  /** A copy of `from` over the defaults. */
  constructor(from: Partial<ConnectionOptions> = {}) {
    Object.assign(this, from);
  }

  /** The record for one more socket. */
  share(): this {
    this.#shared = true;
    return this;
  }

  /** The record for a socket that is about to change an option. */
  own(): SocketOptions {
    return this.#shared ? new SocketOptions(this) : this;
  }
}

/** SO_LINGER's value. */
export interface Linger {
  readonly onoff: number;
  /** Seconds. */
  readonly linger: number;
}

/** What setsockopt takes: flags also as booleans, TCP_CONGESTION as text. */
export type OptionValue = number | boolean | string | Linger;
/** What getsockopt gives: a negative number is a negative errno (no option is negative). */
export type OptionResult = number | string | Linger | ConnectionInfo;

interface OptionRow {
  /** Stores a value; false when it is out of range. Absent: read-only. */
  readonly set?: (socket: Socket, value: OptionValue, toe: Connections) => boolean;
  readonly get: (socket: Socket, toe: Connections) => OptionResult;
  /** errno of a value that set() refused; default EINVAL. */
  readonly refusal?: (value: OptionValue) => number;
}

const INT_MAX = 2 ** 31 - 1;

function integer(value: OptionValue, low: number, high: number): value is number {
  return Number.isInteger(value) && (value as number) >= low && (value as number) <= high;
}

type FlagName = {
  [K in keyof SocketOptions]: SocketOptions[K] extends boolean ? K : never;
}[keyof SocketOptions];
type NumberName = {
  [K in keyof SocketOptions]: SocketOptions[K] extends number ? K : never;
}[keyof SocketOptions];

function flag(name: FlagName): OptionRow {
  return {
    set: (socket, value) => {
      if (typeof value !== "boolean" && !integer(value, -INT_MAX - 1, INT_MAX)) return false;
      socket.options[name] = value !== false && value !== 0;
      return true;
    },
    get: (socket) => (socket.options[name] ? 1 : 0),
  };
}

/** A number within a range; the record holds it times `unit`. */
function range(name: NumberName, low: number, high: number, unit = 1): OptionRow {
  return {
    set: (socket, value) => {
      if (!integer(value, low, high)) return false;
      socket.options[name] = value * unit;
      return true;
    },
    get: (socket) => socket.options[name] / unit,
  };
}

/** Buffer bytes as the arena gives them: a power of two, one chunk or more. */
export function bufferBytes(bytes: number, chunkBytes: number): number {
  const most = 1 << largestBufferShift(chunkBytes);
  let size = chunkBytes;
  while (size < bytes && size < most) size *= 2;
  return size;
}

function buffer(name: "receiveBuffer" | "sendBuffer"): OptionRow {
  return {
    set: (socket, value, toe) => {
      if (!integer(value, 1, INT_MAX)) return false;
      socket.options[name] = bufferBytes(value, toe.core.map.options.chunkBytes);
      // As on Linux: who chooses a receive buffer has chosen, and autotuning keeps out.
      if (name === "receiveBuffer") socket.options.receiveBufferMax = 0;
      return true;
    },
    get: (socket, toe) => {
      const field = name === "receiveBuffer" ? INFO_RX_BUFFER : INFO_TX_BUFFER;
      const live = liveWord(toe.core, socket, field);
      return live || bufferBytes(socket.options[name], toe.core.map.options.chunkBytes);
    },
  };
}

/** Milliseconds of an awaitable call; 0 = for ever. */
function timeout(name: "receiveTimeout" | "sendTimeout"): OptionRow {
  return {
    set: (socket, value) => {
      if (!integer(value, 0, INT_MAX)) return false;
      socket.own()[name] = value;
      return true;
    },
    get: (socket) => socket.rare[name],
  };
}

const LINGER: OptionRow = {
  set: (socket, value) => {
    if (typeof value !== "object" || value === null) return false;
    if (!integer(value.onoff, -INT_MAX - 1, INT_MAX) || !integer(value.linger, 0, 65535)) {
      return false;
    }
    socket.options.linger = value.onoff === 0 ? -1 : value.linger;
    return true;
  },
  get: ({ options }) => ({
    onoff: options.linger < 0 ? 0 : 1,
    linger: Math.max(0, options.linger),
  }),
};

const PACING: OptionRow = {
  set: (socket, value) => {
    if (!integer(value, 0, Number.MAX_SAFE_INTEGER)) return false;
    // Linux: all ones takes the limit away.
    socket.options.pacingRate = value === 0xffffffff ? 0 : value;
    return true;
  },
  get: ({ options }) => options.pacingRate,
};

const TTL: OptionRow = {
  set: (socket, value) => {
    if (!integer(value, -1, 255) || value === 0) return false;
    socket.options.ttl = value === -1 ? 64 : value;
    return true;
  },
  get: ({ options }) => options.ttl,
};

/** Only before the address is chosen, as on Linux. */
const IPV6_ONLY: OptionRow = {
  set: (socket, value) => {
    const isFree = socket.isIpv6 && socket.state === SOCKET_IDLE && socket.bound === undefined;
    if (!isFree || (typeof value !== "boolean" && !integer(value, -INT_MAX - 1, INT_MAX)))
      return false;
    socket.options.ipv6Only = value !== false && value !== 0;
    return true;
  },
  get: ({ options }) => (options.ipv6Only ? 1 : 0),
};

const MAX_SEGMENT: OptionRow = {
  set: (socket, value) => {
    // Linux's bounds; 0 goes back to the route's.
    if (!integer(value, 0, 32767) || (value > 0 && value < 88)) return false;
    socket.options.maxSegment = value;
    return true;
  },
  get: (socket, toe) =>
    socket.connection === 0 ? socket.options.maxSegment : toe.control.info(socket.connection).mss,
};

/** Names that TCP_CONGESTION takes: the control plane's, which a test compares. */
export const CONGESTION_NAMES = [
  "none",
  "newreno",
  "cubic",
  "dctcp",
  "dctcp-rate",
  "timely",
  "rate",
];

const CONGESTION: OptionRow = {
  set: (socket, value) => {
    // Linux calls it reno.
    const name = value === "reno" ? "newreno" : value;
    if (typeof name !== "string" || !CONGESTION_NAMES.includes(name)) return false;
    socket.options.congestion = name;
    return true;
  },
  get: ({ connection, options }, toe) => {
    if (connection !== 0 || options.congestion === "") return toe.control.congestion(connection);
    return options.congestion;
  },
  refusal: (value) => (typeof value === "string" ? ERRNO.ENOENT : ERRNO.EINVAL),
};

const INFO: OptionRow = {
  get: (socket, toe) =>
    socket.connection === 0 ? -ERRNO.ENOTCONN : toe.control.info(socket.connection),
};

/** SO_ERROR: read and cleared; a soft error (RFC 9293 MUST-47) when there is no other. */
const ERROR: OptionRow = {
  get: (socket) => {
    const error = socket.takeError();
    if (error !== 0) return error;
    const soft = socket.rare.softError;
    if (soft !== 0) socket.own().softError = 0;
    return soft;
  },
};

/** Set, it also lets go of what TCP_CORK and MSG_MORE hold back, once, as on Linux. */
const NO_DELAY = flag("noDelay");

const key = (level: number, name: number): number => level * 256 + name;

const TABLE = new Map<number, OptionRow>([
  [key(C.SOL_SOCKET, C.SO_REUSEADDR), flag("reuseAddress")],
  [key(C.SOL_SOCKET, C.SO_REUSEPORT), flag("reusePort")],
  [key(C.SOL_SOCKET, C.SO_TYPE), { get: () => C.SOCK_STREAM }],
  [key(C.SOL_SOCKET, C.SO_ERROR), ERROR],
  [key(C.SOL_SOCKET, C.SO_SNDBUF), buffer("sendBuffer")],
  [key(C.SOL_SOCKET, C.SO_RCVBUF), buffer("receiveBuffer")],
  [key(C.SOL_SOCKET, C.SO_KEEPALIVE), flag("keepAlive")],
  [key(C.SOL_SOCKET, C.SO_LINGER), LINGER],
  [key(C.SOL_SOCKET, C.SO_RCVTIMEO), timeout("receiveTimeout")],
  [key(C.SOL_SOCKET, C.SO_SNDTIMEO), timeout("sendTimeout")],
  [
    key(C.SOL_SOCKET, C.SO_ACCEPTCONN),
    { get: (socket) => (socket.state === SOCKET_LISTENING ? 1 : 0) },
  ],
  [key(C.SOL_SOCKET, C.SO_PROTOCOL), { get: () => C.IPPROTO_TCP }],
  [key(C.SOL_SOCKET, C.SO_DOMAIN), { get: (socket) => (socket.isIpv6 ? C.AF_INET6 : C.AF_INET) }],
  [key(C.SOL_SOCKET, C.SO_MAX_PACING_RATE), PACING],
  [key(C.IPPROTO_IP, C.IP_TOS), range("tos", 0, 255)],
  [key(C.IPPROTO_IP, C.IP_TTL), TTL],
  [key(C.IPPROTO_IPV6, C.IPV6_UNICAST_HOPS), TTL],
  [key(C.IPPROTO_IPV6, C.IPV6_TCLASS), range("tos", 0, 255)],
  [key(C.IPPROTO_IPV6, C.IPV6_V6ONLY), IPV6_ONLY],
  [key(C.IPPROTO_TCP, C.TCP_NODELAY), NO_DELAY],
  [key(C.IPPROTO_TCP, C.TCP_MAXSEG), MAX_SEGMENT],
  [key(C.IPPROTO_TCP, C.TCP_CORK), flag("cork")],
  [key(C.IPPROTO_TCP, C.TCP_KEEPIDLE), range("keepAliveIdle", 1, 32767, 1000)],
  [key(C.IPPROTO_TCP, C.TCP_KEEPINTVL), range("keepAliveInterval", 1, 32767, 1000)],
  [key(C.IPPROTO_TCP, C.TCP_KEEPCNT), range("keepAliveCount", 1, 127)],
  [key(C.IPPROTO_TCP, C.TCP_SYNCNT), range("synRetries", 1, 127)],
  [key(C.IPPROTO_TCP, C.TCP_LINGER2), range("linger2", 0, 120, 1000)],
  [key(C.IPPROTO_TCP, C.TCP_USER_TIMEOUT), range("userTimeout", 0, INT_MAX)],
  [key(C.IPPROTO_TCP, C.TCP_QUICKACK), flag("quickAck")],
  [key(C.IPPROTO_TCP, C.TCP_CONGESTION), CONGESTION],
  [key(C.IPPROTO_TCP, C.TCP_INFO), INFO],
]);

function find(level: number, name: number): OptionRow | undefined {
  const known = integer(level, 0, 255) && integer(name, 0, 255);
  return known ? TABLE.get(key(level, name)) : undefined;
}

/**
 * 0, -ENOPROTOOPT, -EINVAL, or -ENOENT for a congestion control that does not exist. A live
 * connection follows at once, a listener from its next connection on.
 */
export function setOption(
  toe: Connections,
  socket: Socket,
  level: number,
  name: number,
  value: OptionValue,
): number {
  const row = find(level, name);
  if (row?.set === undefined) return -ERRNO.ENOPROTOOPT;
  socket.options = socket.options.own();
  if (!row.set(socket, value, toe)) return -(row.refusal?.(value) ?? ERRNO.EINVAL);
  if (socket.connection !== 0 && !socket.releasing) {
    toe.control.configure(socket.connection, socket.options);
    if (row === NO_DELAY && socket.options.noDelay) toe.push(socket);
    toe.kick();
  }
  if (socket.state === SOCKET_LISTENING) {
    toe.control.configureListener(socket.listener, socket.options);
  }
  return 0;
}

/** The option's value, -ENOPROTOOPT, or for TCP_INFO without a connection -ENOTCONN. */
export function getOption(
  toe: Connections,
  socket: Socket,
  level: number,
  name: number,
): OptionResult {
  const row = find(level, name);
  return row === undefined ? -ERRNO.ENOPROTOOPT : row.get(socket, toe);
}

/** Every option that can be set, for tests: level and name. */
export function settableOptions(): [number, number][] {
  const settable = [...TABLE].filter(([, row]) => row.set !== undefined);
  return settable.map(([code]) => [Math.floor(code / 256), code % 256]);
}

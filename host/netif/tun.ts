/**
 * TUN and TAP devices of Linux, for Node, through koffi (an optional peer dependency, which the
 * application installs and the first openTun() loads). One ioctl makes the device; frames are read
 * and written straight from and into the stack's bursts. Invariants: nothing blocks; a pending wait
 * never holds up the end of the process (readiness-poller.ts); the descriptor is closed once and
 * after its last use.
 *
 * ```ts
 * const tun = await openTun({ mode: "tun", name: "toe0" });
 * // as root: ip addr add 10.9.0.1/24 dev toe0; ip link set toe0 up
 * const stack = new Stack({ netifs: [{ netif: tun, addresses: ["10.9.0.2/24"] }], ... });
 * ```
 */
import { ETHERNET_SIZE, VLAN_SIZE } from "../../bindings/abi/ethernet.ts";
import type { Burst, Medium, Netif } from "./netif.ts";
import { type PollCalls, ReadinessPoller } from "./readiness-poller.ts";

const DEVICE = "/dev/net/tun";
/** ioctl requests and flags of linux/if_tun.h and linux/sockios.h. */
const TUNSETIFF = 0x400454ca;
const SIOCSIFMTU = 0x8922;
const IFF_TUN = 1;
const IFF_TAP = 2;
const IFF_NO_PI = 0x1000;
/** struct ifreq: name 16, then a union. */
const IFREQ_BYTES = 40;
const IFREQ_UNION = 16;
const NAME_BYTES_MAX = 15;
const AF_INET = 2;
const SOCK_DGRAM = 2;
const EPERM = 1;
const EAGAIN = 11;
const EBUSY = 16;

const MTU_DEFAULT = 1500;
const MTU_MIN = 68;
const MTU_MAX = 65_535;
/** Frames taken from the device in one receive(). */
const READS_MAX = 256;
/** The kernel takes what is written into its own input at once. */
const CREDIT = 256;

export interface TunOptions {
  /** "tun": IP packets; "tap": Ethernet frames. */
  readonly mode: "tun" | "tap";
  /** At most 15 bytes; default: the kernel chooses tun0, tun1, ... An existing one is joined. */
  readonly name?: string;
  /** Bytes; default 1500. Another value is set on the device as well. */
  readonly mtu?: number;
  /** Our own address on a TAP, 6 bytes; the kernel's end has another. */
  readonly hardwareAddress?: Uint8Array;
  /**
   * True: every receive() asks the device, and nothing waits for it on another thread. For hosts
   * that have a core to themselves and poll all the time; default false.
   */
  readonly busyPoll?: boolean;
}

/** openTun() failed: `code` is ENOENT, EACCES, EBUSY or EINVAL, the message says what to do. */
export class TunError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(`openTun ${code}: ${message}`);
    this.name = "TunError";
    this.code = code;
  }
}

/** What is used of koffi: functions of the C library by their prototype. */
interface ForeignFunction {
  (...values: unknown[]): number;
  async(...values: unknown[]): void;
}

interface Koffi {
  load(path: null): { func(prototype: string): ForeignFunction };
  errno(): number;
}

interface System {
  readonly calls: PollCalls;
  readonly poller: ReadinessPoller;
  readonly open: (path: string) => number;
  readonly close: (fd: number) => void;
  readonly socket: () => number;
  /** Of a descriptor that open() did not make: the runtime keeps account of its own. */
  readonly closeSocket: (fd: number) => void;
  readonly ioctl: (fd: number, request: number, argument: Uint8Array) => number;
  readonly errno: () => number;
}

let system: Promise<System> | undefined;

/** Loads koffi and binds the C library, once per process. */
async function loadSystem(): Promise<System> {
  const fs = await import("node:fs");
  // A variable, so that neither a compiler nor a bundler looks for a module that may be absent.
  const name: string = "koffi";
  let koffi: Koffi;
  try {
    koffi = ((await import(name)) as { default: Koffi }).default;
  } catch {
    throw new TunError("ENOENT", 'expected the package "koffi", got none: npm install koffi@3');
  }
  const libc = koffi.load(null);
  const read = libc.func("long read(int, void *, size_t)");
  const write = libc.func("long write(int, void *, size_t)");
  const eventfd = libc.func("int eventfd(unsigned int, int)");
  const poll = libc.func("int poll(void *, unsigned long, int)");
  const ioctl = libc.func("int ioctl(int, unsigned long, void *)");
  const socket = libc.func("int socket(int, int, int)");
  const close = libc.func("int close(int)");
  const calls: PollCalls = {
    eventfd: (count, flags) => eventfd(count, flags),
    read: (fd, bytes, length) => read(fd, bytes, length),
    write: (fd, bytes, length) => write(fd, bytes, length),
    pollAsync: (fds, count, timeoutMs, done) => poll.async(fds, count, timeoutMs, done),
  };
  return {
    calls,
    poller: new ReadinessPoller(calls),
    open: (path) => fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_NONBLOCK),
    close: (fd) => fs.closeSync(fd),
    socket: () => socket(AF_INET, SOCK_DGRAM, 0),
    closeSocket: (fd) => void close(fd),
    ioctl: (fd, request, argument) => ioctl(fd, request, argument),
    errno: () => koffi.errno(),
  };
}

/** A TUN or TAP device. Made by openTun(). */
export class TunNetif implements Netif {
  readonly name: string;
  readonly medium: Medium;
  readonly mtu: number;
  readonly hardwareAddress: Uint8Array;
  /** Frames that the device refused (it is down, or its queue is full). */
  dropped = 0;
  readonly #system: System;
  readonly #fd: number;
  readonly #frameBytes: number;
  readonly #busyPoll: boolean;
  #ingress: Burst | undefined;
  #index = 0;
  #wake: (() => void) | undefined;
  /** There may be something to read: true until a read has said EAGAIN. */
  #readable = true;
  #watching = false;
  #closed = false;

  constructor(from: System, fd: number, name: string, options: TunOptions) {
    this.#system = from;
    this.#fd = fd;
    this.name = name;
    this.medium = options.mode === "tap" ? "ethernet" : "ip";
    this.mtu = options.mtu ?? MTU_DEFAULT;
    this.#busyPoll = options.busyPoll ?? false;
    this.#frameBytes = this.mtu + (options.mode === "tap" ? ETHERNET_SIZE + VLAN_SIZE : 0);
    this.hardwareAddress = options.hardwareAddress?.slice() ?? new Uint8Array(6);
    if (options.mode === "tap" && options.hardwareAddress === undefined) {
      this.hardwareAddress.set([2, 0x54, 0x4f, 0x45, fd >>> 8, fd]);
    }
  }

  attach(ingress: Burst, index: number): void {
    this.#ingress = ingress;
    this.#index = index;
  }

  credit(): number {
    return this.#closed ? 0 : CREDIT;
  }

  send(burst: Burst, index: number): void {
    if (this.#closed) return;
    const from = burst.offset(index);
    const length = burst.length(index);
    const frame = burst.bytes.subarray(from, from + length);
    if (this.#system.calls.write(this.#fd, frame, length) !== length) this.dropped += 1;
  }

  receive(): void {
    const ingress = this.#ingress;
    if (ingress === undefined || this.#closed || !this.#readable) return;
    for (let i = 0; i < READS_MAX; i += 1) {
      const end = ingress.used + this.#frameBytes;
      if (ingress.room() <= 0 || end > ingress.bytes.length) return;
      const into = ingress.bytes.subarray(ingress.used, end);
      const length = this.#system.calls.read(this.#fd, into, this.#frameBytes);
      if (length <= 0) {
        this.#drained(this.#system.errno());
        return;
      }
      ingress.reserve(length, this.#index);
    }
  }

  /** 0 (at once) while there may be frames to read; otherwise only the kernel knows. */
  nextDeadline(): number {
    return this.#readable && !this.#closed ? 0 : Number.POSITIVE_INFINITY;
  }

  /** `wake` runs when frames have arrived; the wait keeps the process alive until close(). */
  onReadable(wake: () => void): void {
    this.#wake = wake;
    if (!this.#readable) this.#watch();
    else wake();
  }

  /** Takes the device away: it vanishes unless it was made persistent. Safe to call twice. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#system.poller.release(this.#fd, () => this.#system.close(this.#fd));
  }

  #drained(errno: number): void {
    if (this.#busyPoll && errno === EAGAIN) return;
    this.#readable = false;
    // Any other error means that the device is gone: nothing will ever be readable again.
    if (errno === EAGAIN) this.#watch();
  }

  #watch(): void {
    if (this.#watching || this.#closed) return;
    this.#watching = true;
    this.#system.poller.watch(this.#fd, () => {
      this.#watching = false;
      this.#readable = true;
      this.#wake?.();
    });
  }
}

/**
 * Makes (or joins) a TUN or TAP device; it has no address and is down until somebody says
 * `ip addr add` and `ip link set up`. Node on Linux only. Rejects with TunError: ENOENT without
 * koffi or /dev/net/tun, EACCES without the privilege, EBUSY for a device in use; RangeError for
 * an option outside its range.
 */
export async function openTun(options: TunOptions): Promise<TunNetif> {
  checkOptions(options);
  system ??= loadSystem();
  let loaded: System;
  try {
    loaded = await system;
  } catch (error) {
    system = undefined;
    throw error;
  }
  const fd = openDevice(loaded);
  try {
    const name = configure(loaded, fd, options);
    return new TunNetif(loaded, fd, name, options);
  } catch (error) {
    loaded.close(fd);
    throw error;
  }
}

function checkOptions(options: TunOptions): void {
  const { mode, name = "", mtu = MTU_DEFAULT, hardwareAddress } = options;
  if (mode !== "tun" && mode !== "tap") {
    throw new RangeError(`openTun: expected mode "tun" or "tap", got ${JSON.stringify(mode)}`);
  }
  if (name.length > NAME_BYTES_MAX || !/^[\x21-\x2e\x30-\x7e]*$/.test(name)) {
    const got = JSON.stringify(name);
    throw new RangeError(`openTun: expected a name of at most 15 ASCII characters, got ${got}`);
  }
  if (!Number.isInteger(mtu) || mtu < MTU_MIN || mtu > MTU_MAX) {
    throw new RangeError(`openTun: expected mtu ${MTU_MIN}..${MTU_MAX}, got ${mtu}`);
  }
  if (hardwareAddress !== undefined && hardwareAddress.length !== 6) {
    const got = hardwareAddress.length;
    throw new RangeError(`openTun: expected a hardware address of 6 bytes, got ${got}`);
  }
}

function openDevice(from: System): number {
  try {
    return from.open(DEVICE);
  } catch (error) {
    const code = (error as { code?: string }).code ?? "EIO";
    if (code === "EACCES" || code === "EPERM") {
      throw new TunError("EACCES", `expected to open ${DEVICE}, got ${code}: run as root`);
    }
    const hint = "Linux has it with the module tun (modprobe tun)";
    throw new TunError(code, `expected the device ${DEVICE}, got ${code}: ${hint}`);
  }
}

/** Makes the device behind `fd`; returns the name that the kernel gave it. */
function configure(from: System, fd: number, options: TunOptions): string {
  const request = new Uint8Array(IFREQ_BYTES);
  const view = new DataView(request.buffer);
  request.set(new TextEncoder().encode(options.name ?? ""));
  const kind = options.mode === "tap" ? IFF_TAP : IFF_TUN;
  view.setUint16(IFREQ_UNION, kind | IFF_NO_PI, true);
  if (from.ioctl(fd, TUNSETIFF, request) < 0) throw deviceError(from.errno(), options);
  const name = new TextDecoder().decode(request.subarray(0, request.indexOf(0)));
  if ((options.mtu ?? MTU_DEFAULT) === MTU_DEFAULT) return name;
  const socket = from.socket();
  request.fill(0, IFREQ_UNION);
  view.setInt32(IFREQ_UNION, options.mtu as number, true);
  const answer = from.ioctl(socket, SIOCSIFMTU, request);
  const errno = from.errno();
  from.closeSocket(socket);
  if (answer < 0) throw deviceError(errno, options);
  return name;
}

function deviceError(errno: number, options: TunOptions): TunError {
  const device = options.name ? `device "${options.name}"` : "a new device";
  if (errno === EPERM) {
    return new TunError("EACCES", `expected to make ${device}, got EPERM: needs CAP_NET_ADMIN`);
  }
  if (errno === EBUSY) return new TunError("EBUSY", `expected ${device} free, got it in use`);
  return new TunError("EINVAL", `expected to make ${device}, got errno ${errno}`);
}

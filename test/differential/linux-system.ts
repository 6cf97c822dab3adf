/**
 * The Linux kernel as the system under test, in real time: sockets through the C library, packets
 * through one TUN device for all sessions, which are told apart by the peer's address. The kernel
 * answers a packet or a call before the write or the call returns, so what it says at once needs
 * no waiting. Runs inside the network namespace that the command made.
 */
import { execFileSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { FRAME_SIZE } from "../../bindings/abi/descriptor.ts";
import { parseAddress } from "../../host/address.ts";
import type { SocketAddress } from "../../host/libtoe/calls.ts";
import * as C from "../../host/libtoe/constants.ts";
import { Burst } from "../../host/netif/netif.ts";
import { openTun, type TunNetif } from "../../host/netif/tun.ts";
import { ipv4Destination } from "../../host/wire/ipv4.ts";
import { addressText, type SocketCalls } from "./application.ts";
import type { Endpoints } from "./peer.ts";
import { SETTINGS, SYSCTLS } from "./settings.ts";
import type { Sent, System } from "./session.ts";

const DEVICE = "diff0";
const FRAMES = 512;
const FRAME_BYTES = 2048;
/** Between two looks at the device while sessions wait, ms. */
const LOOK_MS = 1;
/** A wait that is over so much later is another wait, ms. */
const LATE_MS = 8;
const EVENTS = C.POLLIN | C.POLLOUT | C.POLLRDHUP;
const CONGESTION = "cubic";

type Foreign = (...values: unknown[]) => number;

/** Functions of the C library by prototype, and errno. */
interface Library {
  readonly func: (prototype: string) => Foreign;
  readonly errno: () => number;
}

async function loadLibrary(): Promise<Library> {
  const name: string = "koffi";
  const koffi = ((await import(name)) as { default: unknown }).default as {
    load(path: null): { func(prototype: string): Foreign };
    errno(): number;
  };
  const libc = koffi.load(null);
  return { func: (prototype) => libc.func(prototype), errno: () => koffi.errno() };
}

/** struct sockaddr_in: family in the host's order, port and address in the network's. */
function sockaddr({ address, port }: SocketAddress): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, C.AF_INET, true);
  view.setUint16(2, port);
  bytes.set((parseAddress(address) as Uint8Array).subarray(12), 4);
  return bytes;
}

class LinuxCalls implements SocketCalls {
  readonly #errno: () => number;
  readonly #of: Readonly<Record<string, Foreign>>;

  constructor(library: Library) {
    this.#errno = library.errno;
    this.#of = {
      socket: library.func("int socket(int, int, int)"),
      bind: library.func("int bind(int, void *, unsigned int)"),
      listen: library.func("int listen(int, int)"),
      accept: library.func("int accept4(int, void *, void *, int)"),
      connect: library.func("int connect(int, void *, unsigned int)"),
      send: library.func("long send(int, void *, size_t, int)"),
      recv: library.func("long recv(int, void *, size_t, int)"),
      shutdown: library.func("int shutdown(int, int)"),
      close: library.func("int close(int)"),
      setsockopt: library.func("int setsockopt(int, int, int, void *, unsigned int)"),
      getsockopt: library.func("int getsockopt(int, int, int, void *, void *)"),
      poll: library.func("int poll(void *, unsigned long, int)"),
    };
  }

  #call(name: string, ...values: unknown[]): number {
    const result = Number((this.#of[name] as Foreign)(...values));
    return result < 0 ? -this.#errno() : result;
  }

  #set(fd: number, level: number, name: number, bytes: Uint8Array): number {
    return this.#call("setsockopt", fd, level, name, bytes, bytes.length);
  }

  socket(domain: number, type: number): number {
    const fd = this.#call("socket", domain, type, 0);
    const text = new TextEncoder().encode(CONGESTION);
    const chosen = this.#set(fd, C.IPPROTO_TCP, C.TCP_CONGESTION, text);
    if (chosen < 0) throw new Error(`expected TCP_CONGESTION ${CONGESTION}, got errno ${-chosen}`);
    return fd;
  }

  bind(fd: number, local: SocketAddress): number {
    return this.#call("bind", fd, sockaddr(local), 16);
  }

  listen(fd: number, backlog: number): number {
    return this.#call("listen", fd, backlog);
  }

  accept(fd: number, flags: number): number {
    return this.#call("accept", fd, null, null, flags);
  }

  connect(fd: number, remote: SocketAddress): number {
    return this.#call("connect", fd, sockaddr(remote), 16);
  }

  send(fd: number, bytes: Uint8Array, flags: number): number {
    return this.#call("send", fd, bytes, bytes.length, flags);
  }

  recv(fd: number, bytes: Uint8Array, flags: number): number {
    return this.#call("recv", fd, bytes, bytes.length, flags);
  }

  shutdown(fd: number, how: number): number {
    return this.#call("shutdown", fd, how);
  }

  close(fd: number): number {
    return this.#call("close", fd);
  }

  setsockopt(fd: number, level: number, name: number, value: number): number {
    return this.#set(fd, level, name, new Uint8Array(Int32Array.of(value).buffer));
  }

  setLinger(fd: number, seconds: number): number {
    const bytes = new Uint8Array(Int32Array.of(1, seconds).buffer);
    return this.#set(fd, C.SOL_SOCKET, C.SO_LINGER, bytes);
  }

  takeError(fd: number): number {
    const value = new Int32Array(1);
    const size = new Uint8Array(Uint32Array.of(4).buffer);
    const bytes = new Uint8Array(value.buffer);
    const result = this.#call("getsockopt", fd, C.SOL_SOCKET, C.SO_ERROR, bytes, size);
    return result < 0 ? -result : (value[0] as number);
  }

  poll(fd: number): number {
    const entry = new Uint8Array(8);
    const view = new DataView(entry.buffer);
    view.setInt32(0, fd, true);
    view.setInt16(4, EVENTS, true);
    const result = this.#call("poll", entry, 1, 0);
    return result < 0 ? 0 : view.getUint16(6, true);
  }
}

/** An older kernel may not have it: what then differs is shown as such. */
function setSysctl(name: string, value: string): void {
  const file = `/proc/sys/${name.replaceAll(".", "/")}`;
  if (existsSync(file)) writeFileSync(file, value);
  else console.error(`this kernel has no ${name}`);
}

/** The namespace's device and the kernel behind it, for any number of sessions at once. */
export class Kernel {
  readonly calls: SocketCalls;
  readonly #tun: TunNetif;
  readonly #in: Burst;
  readonly #out: Burst;
  /** Packets by the peer's address. */
  readonly #sent = new Map<number, Sent[]>();
  /** When a wait was last over too late. */
  #lateAt = Number.NEGATIVE_INFINITY;
  #waiting: { readonly at: number; readonly resolve: () => void }[] = [];

  private constructor(tun: TunNetif, calls: SocketCalls) {
    this.calls = calls;
    this.#tun = tun;
    const burst = (): Burst => {
      const table = new Uint32Array((FRAMES * FRAME_SIZE) / 4);
      return new Burst(new Uint8Array(FRAMES * FRAME_BYTES), table);
    };
    this.#in = burst();
    this.#out = burst();
    tun.attach(this.#in, 0);
  }

  /** Makes the device of this namespace, whose address is `local`. */
  static async start(local: number): Promise<Kernel> {
    const tun = await openTun({ mode: "tun", name: DEVICE, mtu: SETTINGS.mtu, busyPoll: true });
    for (const [name, value] of Object.entries(SYSCTLS)) setSysctl(name, value);
    const address = `${addressText(local)}/${SETTINGS.prefix}`;
    execFileSync("ip", ["address", "add", address, "dev", DEVICE]);
    // Without bursts of segments nothing is held back for one (tcp_tso_should_defer).
    const link = ["txqueuelen", "10000", "gso_max_segs", "1", "up"];
    execFileSync("ip", ["link", "set", DEVICE, ...link]);
    return new Kernel(tun, new LinuxCalls(await loadLibrary()));
  }

  /** True when a wait since then was over so late that round trips are no longer the script's. */
  wasLate(since: number): boolean {
    return this.#lateAt >= since;
  }

  /** Sorts what the kernel has sent by its session. */
  look(): void {
    do {
      this.#in.clear();
      this.#tun.receive();
      const at = performance.now();
      for (let i = 0; i < this.#in.count; i += 1) {
        const from = this.#in.offset(i);
        const bytes = this.#in.bytes.slice(from, from + this.#in.length(i));
        const peer = ipv4Destination(new DataView(bytes.buffer), 0);
        this.#sent.get(peer)?.push({ bytes, at });
      }
    } while (this.#in.count > 0);
  }

  write(packet: Uint8Array): void {
    this.#out.clear();
    this.#out.push(packet, 0);
    this.#tun.send(this.#out, 0);
    this.look();
  }

  system(ends: Endpoints): System {
    const { remote } = ends;
    this.#sent.set(remote, []);
    return {
      calls: this.calls,
      now: () => performance.now(),
      waitUntil: (ms) => this.#until(ms),
      inject: (packet) => this.write(packet),
      settle: () => this.look(),
      take: () => {
        const packets = this.#sent.get(remote) ?? [];
        this.#sent.set(remote, []);
        return packets;
      },
    };
  }

  #until(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ at: ms, resolve });
      if (this.#waiting.length === 1) this.#tick();
    });
  }

  /** Looks at the device for all who wait, until nobody does. */
  #tick(): void {
    setTimeout(() => {
      this.look();
      const now = performance.now();
      if (this.#waiting.some(({ at }) => now - at > LATE_MS)) this.#lateAt = now;
      const due = this.#waiting.filter(({ at }) => at <= now);
      this.#waiting = this.#waiting.filter(({ at }) => at > now);
      if (this.#waiting.length > 0) this.#tick();
      for (const { resolve } of due) resolve();
    }, LOOK_MS);
  }

  close(): void {
    this.#tun.close();
  }
}

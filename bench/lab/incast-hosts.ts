/**
 * The hosts of the incast experiment (5.5.4.3): whole stacks, a connection for each flow. A flow
 * counts from the first byte that its connection may send, as in the paper's simulator, to the last
 * one that the receiving application has read. Payload is zeros behind the flow's number: what is
 * checked is its amount.
 */
import type { Counter } from "../../bindings/abi/counters.ts";
import { CoreGroup } from "../../bindings/core.ts";
import type { Profile } from "../../host/control-plane/profile.ts";
import { ERRNO } from "../../host/errors.ts";
import * as C from "../../host/libtoe/constants.ts";
import { Prng } from "../../host/prng.ts";
import { Stack } from "../../host/stack.ts";
import { loadModule } from "../harness.ts";
import { counterOf, must } from "../stack-pair.ts";
import { FLOW_BYTES_MIN, type Flow } from "./incast-flows.ts";
import { LeafSpine, type LeafSpineOptions } from "./leaf-spine.ts";

const PORT = 5001;
const MESSAGE = 65_536;
const BACKLOG = 4096;
/** A memory has 4 GiB at most. */
const HOSTS_PER_MEMORY = 12;
/**
 * Rows for three queries at once and as many SYNs as they bring, so that no SYN cookie is needed,
 * and an arena that promises every connection the whole of its window.
 */
const LAYOUT = {
  connections: 4096,
  chunkBytes: 2048,
  payloadBytes: 128 << 20,
  bufferBytes: 2 * MESSAGE,
  queueDescriptors: 4096,
};

export interface HostsOptions {
  readonly network: LeafSpineOptions;
  readonly profile: Profile;
  /** Socket buffers of background flows and of queries, bytes. */
  readonly buffers: { readonly background: number; readonly foreground: number };
}

/** A flow that is sent or received. */
interface Sending {
  readonly flow: number;
  readonly host: number;
  left: number;
}

interface Receiving {
  flow: number;
  bytes: number;
}

export class IncastHosts {
  readonly network: LeafSpine;
  readonly stacks: Stack[] = [];
  /** Of each flow, ns: connected, and complete; NaN before. */
  readonly #connected: Float64Array;
  readonly #completed: Float64Array;
  #done = 0;
  readonly #flows: readonly Flow[];
  readonly #options: HostsOptions;
  readonly #payload: Uint8Array[] = [];
  readonly #scratch: Uint8Array[] = [];
  readonly #number = new Uint8Array(FLOW_BYTES_MIN);
  #next = 0;
  #failure: unknown;

  constructor(options: HostsOptions, flows: readonly Flow[]) {
    this.#options = options;
    this.#flows = flows;
    this.#connected = new Float64Array(flows.length).fill(Number.NaN);
    this.#completed = new Float64Array(flows.length).fill(Number.NaN);
    this.network = new LeafSpine(options.network);
    const { hosts } = this.network;
    const module = loadModule("flextoe.wasm");
    for (let first = 0; first < hosts; first += HOSTS_PER_MEMORY) {
      const count = Math.min(HOSTS_PER_MEMORY, hosts - first);
      const group = new CoreGroup(
        module,
        Array.from({ length: count }, () => LAYOUT),
      );
      for (let i = 0; i < count; i += 1) this.#addHost(first + i, group);
    }
  }

  #addHost(host: number, group: CoreGroup): void {
    const prng = new Prng(this.#options.network.seed).fork(`host ${host}`);
    const stack = new Stack({
      module: group,
      name: `host${host}`,
      profile: this.#options.profile,
      entropy: (bytes) => prng.fill(bytes),
      netifs: [
        { netif: this.network.netif(host), addresses: [`${this.network.addressOf(host)}/16`] },
      ],
    });
    this.stacks.push(stack);
    this.network.addStack(stack);
    stack.toe.onCallbackError = (_, error) => {
      this.#failure = error;
    };
    this.#payload.push(stack.toe.allocate(MESSAGE));
    this.#scratch.push(stack.toe.allocate(MESSAGE));
    this.#listen(host, PORT, this.#options.buffers.background);
    this.#listen(host, PORT + 1, this.#options.buffers.foreground);
  }

  #socket(host: number, buffer: number): number {
    const { toe } = this.stacks[host] as Stack;
    const fd = must(toe.socket(C.AF_INET, C.SOCK_STREAM | C.SOCK_NONBLOCK, 0), "socket");
    must(toe.setsockopt(fd, C.SOL_SOCKET, C.SO_RCVBUF, buffer), "SO_RCVBUF");
    must(toe.setsockopt(fd, C.SOL_SOCKET, C.SO_SNDBUF, buffer), "SO_SNDBUF");
    must(toe.setsockopt(fd, C.IPPROTO_TCP, C.TCP_NODELAY, 1), "TCP_NODELAY");
    return fd;
  }

  #listen(host: number, port: number, buffer: number): void {
    const { toe } = this.stacks[host] as Stack;
    const listener = this.#socket(host, buffer);
    must(toe.bind(listener, { address: this.network.addressOf(host), port }), "bind");
    must(toe.listen(listener, BACKLOG), "listen");
    const accept = (): void => {
      for (let fd = toe.accept(listener); fd >= 0; fd = toe.accept(listener)) {
        const receiving = { flow: -1, bytes: 0 };
        must(
          toe.setWatcher(fd, () => this.#receive(host, fd, receiving)),
          "setWatcher",
        );
      }
    };
    must(toe.setWatcher(listener, accept), "setWatcher");
  }

  #start(number: number): void {
    const { source, target, bytes, isForeground } = this.#flows[number] as Flow;
    const { toe } = this.stacks[source] as Stack;
    const { buffers } = this.#options;
    const fd = this.#socket(source, isForeground ? buffers.foreground : buffers.background);
    const sending = { flow: number, host: source, left: bytes };
    const port = isForeground ? PORT + 1 : PORT;
    const result = toe.connect(fd, { address: this.network.addressOf(target), port });
    if (result !== 0 && result !== -ERRNO.EINPROGRESS) must(result, "connect");
    must(
      toe.setWatcher(fd, (_, events) => this.#send(fd, sending, events)),
      "setWatcher",
    );
  }

  #send(fd: number, sending: Sending, events: number): void {
    const { toe } = this.stacks[sending.host] as Stack;
    if ((events & (C.POLLERR | C.POLLHUP)) !== 0 && sending.left > 0) {
      throw new Error(`incast: flow ${sending.flow} ended with ${sending.left} bytes left`);
    }
    if ((events & C.POLLOUT) === 0) return;
    const payload = this.#payload[sending.host] as Uint8Array;
    if (Number.isNaN(this.#connected[sending.flow] as number)) {
      this.#connected[sending.flow] = this.network.now;
      payload.set(this.#numbered(sending.flow));
      sending.left -= must(toe.send(fd, payload, 0, Math.min(MESSAGE, sending.left)), "send");
      payload.fill(0, 0, FLOW_BYTES_MIN);
    }
    while (sending.left > 0) {
      const put = toe.send(fd, payload, 0, Math.min(MESSAGE, sending.left));
      if (put <= 0) return;
      sending.left -= put;
    }
    must(toe.close(fd), "close");
  }

  /** The bytes in front of a flow. */
  #numbered(flow: number): Uint8Array {
    new DataView(this.#number.buffer).setUint32(0, flow);
    return this.#number;
  }

  #receive(host: number, fd: number, receiving: Receiving): void {
    const { toe } = this.stacks[host] as Stack;
    const scratch = this.#scratch[host] as Uint8Array;
    for (;;) {
      const got = toe.recv(fd, scratch, 0, MESSAGE);
      if (got === 0) break;
      if (got < 0) return;
      if (receiving.flow < 0) {
        receiving.flow = new DataView(scratch.buffer, scratch.byteOffset).getUint32(0);
      }
      receiving.bytes += got;
      if (receiving.bytes === (this.#flows[receiving.flow] as Flow).bytes) {
        this.#completed[receiving.flow] = this.network.now;
        this.#done += 1;
      }
    }
    must(toe.close(fd), "close");
  }

  /** Runs all flows to their end. Throws Error when that takes longer than `limit` ns. */
  run(limit: number): void {
    const flows = this.#flows;
    while (this.#next < flows.length) {
      const { start } = flows[this.#next] as Flow;
      this.network.run(start);
      this.#check();
      while ((flows[this.#next]?.start ?? Number.POSITIVE_INFINITY) <= start) {
        this.#start(this.#next);
        this.#next += 1;
      }
    }
    this.network.run(limit, () => this.#done === flows.length);
    this.#check();
    if (this.#done === flows.length) return;
    throw new Error(`incast: expected ${flows.length} flows within ${limit} ns, got ${this.#done}`);
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** A counter of all hosts together. */
  count(counter: Counter): number {
    return this.stacks.reduce((sum, stack) => sum + counterOf(stack, counter), 0);
  }

  /** ns that a flow took. */
  timeOf(flow: number): number {
    return (this.#completed[flow] as number) - (this.#connected[flow] as number);
  }
}

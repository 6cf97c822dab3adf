/**
 * The server's side of iperf3's TCP test over toeloop: a control connection with a state byte at
 * each step and JSON before and after, and data connections that carry nothing but bytes. Both
 * directions (`iperf3 -c HOST` and `-R`), any number of streams (`-P`).
 */
import { MSG_WAITALL, SO_RCVBUF, SO_REUSEADDR, SO_SNDBUF } from "../../host/libtoe/constants.ts";
import { SOL_SOCKET } from "../../host/libtoe/constants.ts";
import { SocketError } from "../../host/errors.ts";
import type { LibToe } from "../../host/libtoe/libtoe.ts";

export const IPERF3_PORT = 5201;

const COOKIE_BYTES = 37;
const JSON_BYTES_MAX = 65_536;
const BLOCK_BYTES = 131_072;
const SOCKET_BUFFER = 512 * 1024;

/** State bytes of the control connection. */
const TEST_START = 1;
const TEST_RUNNING = 2;
const TEST_END = 4;
const PARAM_EXCHANGE = 9;
const CREATE_STREAMS = 10;
const EXCHANGE_RESULTS = 13;
const DISPLAY_RESULTS = 14;
const IPERF_DONE = 16;

interface Parameters {
  readonly parallel?: number;
  readonly reverse?: boolean;
}

interface ClientResults {
  readonly streams: readonly { readonly id: number }[];
}

/** What one test moved. */
export interface Iperf3Result {
  readonly reverse: boolean;
  readonly streams: number;
  readonly bytes: number;
}

interface Stream {
  readonly fd: number;
  bytes: number;
  done: Promise<void>;
}

export class Iperf3Server {
  readonly #toe: LibToe;
  readonly #signal: AbortSignal;
  readonly #listener: number;

  /** Listens. Throws SocketError when it cannot. */
  constructor(toe: LibToe, signal: AbortSignal, port: number = IPERF3_PORT) {
    this.#toe = toe;
    this.#signal = signal;
    const fd = toe.socket();
    toe.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, SOCKET_BUFFER);
    toe.setsockopt(fd, SOL_SOCKET, SO_SNDBUF, SOCKET_BUFFER);
    toe.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, true);
    toe.bind(fd, { address: "0.0.0.0", port });
    const result = toe.listen(fd, 16);
    if (result < 0) {
      toe.close(fd);
      throw new SocketError("listen", result);
    }
    this.#listener = fd;
  }

  close(): void {
    this.#toe.close(this.#listener);
  }

  /** Serves one test to its end. */
  async serveOne(): Promise<Iperf3Result> {
    const control = await this.#accept();
    const streams: Stream[] = [];
    try {
      return await this.#test(control, streams);
    } finally {
      await Promise.all([control, ...streams.map(({ fd }) => fd)].map((fd) => this.#end(fd)));
    }
  }

  async #test(control: number, streams: Stream[]): Promise<Iperf3Result> {
    const cookie = await this.#receive(control, COOKIE_BYTES);
    await this.#state(control, PARAM_EXCHANGE);
    const parameters = (await this.#receiveJson(control)) as Parameters;
    const reverse = parameters.reverse === true;
    await this.#state(control, CREATE_STREAMS);
    for (let i = 0; i < (parameters.parallel ?? 1); i += 1) {
      streams.push(await this.#openStream(cookie));
    }
    await this.#state(control, TEST_START);
    await this.#state(control, TEST_RUNNING);
    const stop = { now: false };
    for (const stream of streams) {
      stream.done = reverse ? this.#source(stream, stop) : this.#sink(stream);
    }
    await this.#expect(control, TEST_END);
    stop.now = true;
    // The client of a forward test keeps its streams open until it has seen the results.
    if (reverse) await Promise.all(streams.map(({ done }) => done));
    await this.#exchangeResults(control, streams, reverse);
    await this.#state(control, DISPLAY_RESULTS);
    await this.#expect(control, IPERF_DONE);
    await Promise.all(streams.map(({ done }) => done));
    const bytes = streams.reduce((sum, stream) => sum + stream.bytes, 0);
    return { reverse, streams: streams.length, bytes };
  }

  async #openStream(cookie: Uint8Array): Promise<Stream> {
    const fd = await this.#accept();
    const got = await this.#receive(fd, COOKIE_BYTES);
    if (!got.every((byte, i) => byte === cookie[i])) {
      await this.#end(fd);
      throw new Error("iperf3: expected the control connection's cookie, got another");
    }
    return { fd, bytes: 0, done: Promise.resolve() };
  }

  async #sink(stream: Stream): Promise<void> {
    const block = new Uint8Array(BLOCK_BYTES);
    const options = { signal: this.#signal };
    for (;;) {
      const count = await this.#toe.recvAsync(stream.fd, block, 0, block.length, options);
      if (count === 0) return;
      stream.bytes += count;
    }
  }

  async #source(stream: Stream, stop: { readonly now: boolean }): Promise<void> {
    const block = new Uint8Array(BLOCK_BYTES);
    const options = { signal: this.#signal };
    while (!stop.now) {
      stream.bytes += await this.#toe.sendAsync(stream.fd, block, 0, block.length, options);
    }
    await this.#end(stream.fd);
  }

  async #exchangeResults(control: number, streams: Stream[], reverse: boolean): Promise<void> {
    await this.#state(control, EXCHANGE_RESULTS);
    const theirs = (await this.#receiveJson(control)) as ClientResults;
    await this.#sendJson(control, {
      cpu_util_total: 0,
      cpu_util_user: 0,
      cpu_util_system: 0,
      sender_has_retransmits: reverse ? 0 : -1,
      streams: streams.map(({ bytes }, i) => ({
        id: theirs.streams[i]?.id ?? i + 1,
        bytes,
        retransmits: reverse ? 0 : -1,
        jitter: 0,
        errors: 0,
        packets: 0,
        start_time: 0,
        end_time: 0,
      })),
    });
  }

  #accept(): Promise<number> {
    return this.#toe.acceptAsync(this.#listener, { signal: this.#signal });
  }

  async #receive(fd: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    const options = { flags: MSG_WAITALL, signal: this.#signal };
    const count = await this.#toe.recvAsync(fd, bytes, 0, length, options);
    if (count < length) throw new Error(`iperf3: expected ${length} bytes, got ${count}`);
    return bytes;
  }

  async #expect(control: number, state: number): Promise<void> {
    const got = (await this.#receive(control, 1))[0];
    if (got !== state) throw new Error(`iperf3: expected state ${state}, got ${got}`);
  }

  async #state(control: number, state: number): Promise<void> {
    const options = { signal: this.#signal };
    await this.#toe.sendAsync(control, Uint8Array.of(state), 0, 1, options);
  }

  /** Four bytes of length, most significant first, and the text. */
  async #receiveJson(control: number): Promise<unknown> {
    const head = await this.#receive(control, 4);
    const length = new DataView(head.buffer).getUint32(0);
    if (length > JSON_BYTES_MAX) {
      throw new Error(`iperf3: expected at most ${JSON_BYTES_MAX} bytes of JSON, got ${length}`);
    }
    return JSON.parse(new TextDecoder().decode(await this.#receive(control, length)));
  }

  async #sendJson(control: number, value: unknown): Promise<void> {
    const text = new TextEncoder().encode(JSON.stringify(value));
    const message = new Uint8Array(4 + text.length);
    new DataView(message.buffer).setUint32(0, text.length);
    message.set(text, 4);
    const options = { signal: this.#signal };
    await this.#toe.sendAsync(control, message, 0, message.length, options);
  }

  /** Closes a descriptor that may be closed already. */
  async #end(fd: number): Promise<void> {
    try {
      await this.#toe.closeAsync(fd, { timeout: 2000 });
    } catch {
      this.#toe.abort(fd);
    }
  }
}

/**
 * The rows of one context's sockets in linear memory (bindings/abi/socket.ts) and the exports that
 * work on them (assembly/libtoe). Indexes are words of `ints`.
 */
import { CORE_SOCKETS } from "../../bindings/abi/memory-map.ts";
import { LIBTOE_CAUSE, LIBTOE_DIRTY_COUNT, LIBTOE_READY_COUNT } from "../../bindings/abi/socket.ts";
import { LIBTOE_READY, LIBTOE_STARVED, LIBTOE_TAKEN } from "../../bindings/abi/socket.ts";
import { SOCKET_SIZE, SOCKET_STATE } from "../../bindings/abi/socket.ts";
import type { Core, CoreExports } from "../../bindings/core.ts";
import { Fence } from "../../bindings/trap.ts";

const STATE = SOCKET_STATE >>> 2;
const ROW_SHIFT = Math.log2(SOCKET_SIZE / 4);

export class SocketRows {
  readonly ints: Int32Array;
  readonly #exports: CoreExports;
  readonly #fence: Fence;
  /** Address of the context's LIBTOE record. */
  readonly #library: number;
  readonly #base: number;
  readonly #dirty: number;
  readonly #ready: number;
  readonly #cause: number;
  readonly #taken: number;
  readonly #starved: number;
  readonly #list: number;

  constructor(core: Core, library: number) {
    this.ints = core.ints;
    this.#exports = core.exports;
    // Without one there is nothing to fence: what is thrown is thrown on.
    this.#fence = core.fence ?? new Fence({});
    this.#library = library;
    this.#base = (core.words[(core.address + CORE_SOCKETS) >>> 2] as number) >>> 2;
    this.#dirty = (library + LIBTOE_DIRTY_COUNT) >>> 2;
    this.#ready = (library + LIBTOE_READY_COUNT) >>> 2;
    this.#cause = (library + LIBTOE_CAUSE) >>> 2;
    this.#taken = (library + LIBTOE_TAKEN) >>> 2;
    this.#starved = (library + LIBTOE_STARVED) >>> 2;
    this.#list = (library + LIBTOE_READY) >>> 2;
  }

  /** Sockets that wait for a descriptor. */
  get dirty(): number {
    return this.ints[this.#dirty] as number;
  }

  /** Sockets with news for the application. */
  get ready(): number {
    return this.ints[this.#ready] as number;
  }

  /** True when one of them is not 0, or a socket has waited for chunks. */
  busy(): boolean {
    const { ints } = this;
    return (
      ((ints[this.#dirty] as number) |
        (ints[this.#ready] as number) |
        (ints[this.#starved] as number)) !==
      0
    );
  }

  /** Takes out the first socket with news: its connection, 0 without one. `cause` is then its. */
  nextReady(): number {
    try {
      return this.#exports.nextReady(this.#library) | 0;
    } catch (error) {
      throw this.#fence.trapped(error);
    }
  }

  /** One of the connections with news; index < ready. */
  readyAt(index: number): number {
    return this.ints[(this.#list + index) | 0] as number;
  }

  /** POLL* bits that may be new for the socket that was taken out last. */
  get cause(): number {
    return this.ints[this.#cause] as number;
  }

  /** Where a connection's row begins. */
  row(connection: number): number {
    return (this.#base + (connection << ROW_SHIFT)) | 0;
  }

  /**
   * From here on notifications and calls change the row; false when the data path does not have the
   * connection.
   */
  open(connection: number, generation: number): boolean {
    try {
      return this.#exports.open(this.#library, connection, generation) !== 0;
    } catch (error) {
      throw this.#fence.trapped(error);
    }
  }

  /** SOCKET_STATE bits to set and to clear; nothing for row 0, which is no row. */
  change(row: number, set: number, clear: number): void {
    if (row !== 0) this.ints[row + STATE] = ((this.ints[row + STATE] as number) & ~clear) | set;
  }

  /** Takes free bytes of the transmit buffer; where they are, or 0 when in several places. */
  append(connection: number, length: number, held: boolean): number {
    try {
      return this.#exports.append(this.#library, connection, length, held === true ? 1 : 0) >>> 0;
    } catch (error) {
      throw this.#fence.trapped(error);
    }
  }

  /** Bytes that the last append() took which answered 0. */
  get taken(): number {
    return this.ints[this.#taken] as number;
  }

  /** Nobody waits for chunks any more. */
  satisfied(): void {
    this.ints[this.#starved] = 0;
  }

  /** Chunks that a connection may append to now; of 0, one whose buffer has a list. */
  spare(connection: number): number {
    try {
      return this.#exports.spare(this.#library, connection) >>> 0;
    } catch (error) {
      throw this.#fence.trapped(error);
    }
  }

  /** Takes readable bytes; where they are, or 0 when in several places. */
  consume(connection: number, length: number): number {
    try {
      return this.#exports.consume(this.#library, connection, length) >>> 0;
    } catch (error) {
      throw this.#fence.trapped(error);
    }
  }

  /** send() out of a registered buffer: bytes, 0 when none were taken. */
  transmit(connection: number, address: number, length: number): number {
    try {
      return this.#exports.transmit(this.#library, connection, address, length) | 0;
    } catch (error) {
      throw this.#fence.trapped(error);
    }
  }

  /** recv() into a registered buffer: bytes, 0 when none were taken. */
  receive(connection: number, address: number, length: number): number {
    try {
      return this.#exports.receive(this.#library, connection, address, length) | 0;
    } catch (error) {
      throw this.#fence.trapped(error);
    }
  }

  /** The row is nobody's from here on, and in no list. */
  forget(connection: number): void {
    try {
      this.#exports.forget(this.#library, connection);
    } catch (error) {
      throw this.#fence.trapped(error);
    }
  }

  /** Puts the connection in the next flush(). */
  release(connection: number): void {
    try {
      this.#exports.release(this.#library, connection);
    } catch (error) {
      throw this.#fence.trapped(error);
    }
  }

  /** One descriptor with ATX_* flags, now; false when the ring is full. */
  put(connection: number, flags: number): boolean {
    try {
      return this.#exports.put(this.#library, connection, flags) !== 0;
    } catch (error) {
      throw this.#fence.trapped(error);
    }
  }

  /** A descriptor for each dirty socket; how many. */
  flush(): number {
    try {
      return this.#exports.flush(this.#library);
    } catch (error) {
      throw this.#fence.trapped(error);
    }
  }

  /** Waiting notifications into the rows, as many as the array takes; how many. */
  take(): number {
    try {
      return this.#exports.take(this.#library);
    } catch (error) {
      throw this.#fence.trapped(error);
    }
  }

  /** The instance is fenced: no news comes and nothing goes. */
  clear(): void {
    this.ints[this.#dirty] = 0;
    this.ints[this.#ready] = 0;
    this.ints[this.#starved] = 0;
  }
}

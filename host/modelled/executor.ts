/**
 * The modelled executor under a whole stack: a Core whose turns go through a modelled NIC. Frames
 * of the ingress burst arrive, doorbells are seen, and what has left or been told by now is handed
 * over. The stack above does not know; its virtual time is the machine's.
 *
 * ```ts
 * const module = modelledExecutor({ module: countedModule(bytes), machine: NFP_4000 });
 * const stack = new Stack({ module, netifs, entropy });
 * ```
 */
import * as D from "../../bindings/abi/descriptor.ts";
import { EGRESS_FRAMES_MAX } from "../../bindings/abi/limits.ts";
import * as M from "../../bindings/abi/memory-map.ts";
import * as S from "../../bindings/abi/socket.ts";
import type { Core, CoreSource } from "../../bindings/core.ts";
import type { LayoutOptions } from "../../bindings/layout.ts";
import type { Machine } from "./machine.ts";
import { type Disturbance, ModelledCore } from "./modelled-core.ts";
import { FLEXTOE, type Placement } from "./placement.ts";
import { Simulation } from "./simulation.ts";

export interface ExecutorChoice {
  /** From countedModule(). */
  readonly module: WebAssembly.Module;
  readonly machine: Machine;
  /** Default: FlexTOE's (Figure 4.8). */
  readonly placement?: Placement;
  readonly seed?: number;
  /** Default: the machine's. */
  readonly jitter?: number;
  readonly layout?: Partial<LayoutOptions>;
  /** Extra time of single items. */
  readonly disturbance?: Disturbance;
}

/** An executor for StackOptions.module. */
export interface ModelledSource extends CoreSource {
  /** Numbers of reorder points that have not come back; empty when the NIC is at rest and whole. */
  unreleased(): string[];
}

interface Leaving {
  readonly bytes: Uint8Array;
  readonly netif: number;
}

class ModelledExecutor {
  readonly core: Core;
  readonly #simulation = new Simulation();
  readonly #model: ModelledCore;
  /** Frames whose last bit is on the wire and that the stack has not taken. */
  #leaving: Leaving[] = [];
  readonly #rung: number[];

  constructor(choice: ExecutorChoice, hashKey: readonly [bigint, bigint]) {
    const { machine, module, placement = FLEXTOE, ...rest } = choice;
    this.#model = new ModelledCore({
      ...rest,
      simulation: this.#simulation,
      machine,
      module,
      placement,
      hashKey,
      ports: { frame: (bytes, netif) => void this.#leaving.push({ bytes: bytes.slice(), netif }) },
    });
    const { core } = this.#model.nic.counted;
    this.#rung = new Array<number>(core.map.options.contexts + 1).fill(0);
    const turn = (library: number, now: number): number => this.#turn(library, now);
    const nextDeadline = (): number => this.#nextDeadline();
    this.core = { ...core, exports: { ...core.exports, turn, nextDeadline } };
  }

  unreleased(): string[] {
    return this.#model.unreleased();
  }

  #word(offset: number): number {
    return this.#model.nic.counted.word(offset);
  }

  #put(offset: number, value: number): void {
    this.#model.nic.counted.setWord(offset, value);
  }

  #turn(library: number, now: number): number {
    const { exports } = this.core;
    this.#simulation.runTo(now);
    this.#model.nic.setNow();
    exports.flush(library);
    const held = !this.#receive();
    this.#doorbells();
    this.#grant();
    this.#model.resume();
    this.#simulation.runTo(now);
    this.#send();
    const taken = this.#hasNotifications(library);
    if (taken) exports.take(library);
    return this.#report(library, held, taken);
  }

  /** The ingress burst; false when the NIC has no buffers for all of it and the burst waits. */
  #receive(): boolean {
    const count = this.#word(M.CORE_INGRESS_COUNT);
    if (count > this.#model.nic.rx.free) return false;
    const { bytes, words } = this.core;
    for (let i = 0; i < count; i += 1) {
      const row = (this.#word(M.CORE_INGRESS_TABLE) + i * D.FRAME_SIZE) >>> 2;
      const at = this.#word(M.CORE_INGRESS) + (words[row + (D.FRAME_OFFSET >>> 2)] as number);
      const length = words[row + (D.FRAME_LENGTH >>> 2)] as number;
      const netif = words[row + (D.FRAME_NETIF >>> 2)] as number;
      this.#model.receive(bytes.subarray(at, at + length), netif);
    }
    this.#put(M.CORE_INGRESS_COUNT, 0);
    this.#put(M.CORE_INGRESS_BYTES, 0);
    return true;
  }

  /** Contexts whose producer index has moved since the last turn. */
  #doorbells(): void {
    const { words } = this.core;
    for (let context = 0; context < this.#rung.length; context += 1) {
      const record = this.#word(M.CORE_CONTEXT_TABLE) + context * D.CONTEXT_SIZE;
      const producer = words[(record + D.CONTEXT_ATX_PRODUCER) >>> 2] as number;
      if (producer === this.#rung[context]) continue;
      this.#rung[context] = producer;
      this.#model.doorbell(context);
    }
  }

  /** What the carriers take, less what is on its way to them. */
  #grant(): void {
    let credit = 0;
    for (let netif = 0; netif < 8; netif += 1) {
      credit = Math.max(credit, this.#word(M.CORE_NETIF_CREDIT + 4 * netif));
    }
    const { tx } = this.#model.nic;
    this.#model.turns.credit = credit - this.#leaving.length - (tx.size - tx.free);
  }

  /** Frames into the egress burst, as far as it has room. */
  #send(): void {
    const { bytes, words } = this.core;
    let sent = 0;
    for (; sent < this.#leaving.length; sent += 1) {
      const { bytes: frame, netif } = this.#leaving[sent] as Leaving;
      const count = this.#word(M.CORE_EGRESS_COUNT);
      const used = this.#word(M.CORE_EGRESS_BYTES);
      if (count >= EGRESS_FRAMES_MAX) break;
      if (used + frame.length > this.#word(M.CORE_EGRESS_CAPACITY)) break;
      bytes.set(frame, this.#word(M.CORE_EGRESS) + used);
      const row = (this.#word(M.CORE_EGRESS_TABLE) + count * D.FRAME_SIZE) >>> 2;
      words[row + (D.FRAME_OFFSET >>> 2)] = used;
      words[row + (D.FRAME_LENGTH >>> 2)] = frame.length;
      words[row + (D.FRAME_NETIF >>> 2)] = netif;
      words[row + (D.FRAME_CONNECTION >>> 2)] = 0;
      this.#put(M.CORE_EGRESS_COUNT, count + 1);
      this.#put(M.CORE_EGRESS_BYTES, used + ((frame.length + 15) & ~15));
    }
    this.#leaving = this.#leaving.slice(sent);
  }

  #hasNotifications(library: number): boolean {
    const { words } = this.core;
    const record = words[(library + S.LIBTOE_CONTEXT) >>> 2] as number;
    const produced = words[(record + D.CONTEXT_ARX_PRODUCER) >>> 2];
    return produced !== words[(library + S.LIBTOE_ARX_CONSUMER) >>> 2];
  }

  /** STEP_* bits, as turn() of the batch executor gives them. */
  #report(library: number, held: boolean, taken: boolean): number {
    const { words } = this.core;
    let bits = this.#word(M.CORE_EGRESS_COUNT) << M.STEP_EGRESS_SHIFT;
    // Held frames wait for time to pass, not for another turn.
    if (held) bits |= M.STEP_HELD;
    if (taken) bits |= M.STEP_NOTIFIED;
    if (this.#word(M.CORE_EVENT_COUNT) !== 0) bits |= M.STEP_EVENTS;
    if (this.#word(M.CORE_INTERRUPTS) !== 0) bits |= M.STEP_INTERRUPTS;
    if (words[(library + S.LIBTOE_READY_COUNT) >>> 2] !== 0) bits |= M.STEP_READY;
    const dirty = words[(library + S.LIBTOE_DIRTY_COUNT) >>> 2] !== 0;
    if (dirty || this.#hasNotifications(library)) bits |= M.STEP_MORE;
    return bits;
  }

  /** Frames that the egress burst had no room for are due at once. */
  #nextDeadline(): number {
    const { exports } = this.#model.nic.counted;
    if (this.#leaving.length > 0) return this.#simulation.now;
    return Math.min(this.#simulation.next, exports.nextDeadline(this.core.address));
  }
}

/** An executor for StackOptions.module; one stack each. */
export function modelledExecutor(choice: ExecutorChoice): ModelledSource {
  let made: ModelledExecutor | undefined;
  return {
    create: (hashKey) => {
      made = new ModelledExecutor(choice, hashKey);
      return made.core;
    },
    unreleased: () => made?.unreleased() ?? [],
  };
}

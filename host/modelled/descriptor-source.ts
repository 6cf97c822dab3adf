/**
 * ATX (4.3.1.1): a doorbell becomes an item for each descriptor that is not on its way yet, as far
 * as the pool has buffers. "If allocation fails, processing stops and is retried later."
 */
import type { CountedCore } from "./counted-core.ts";
import type { ReorderPoint } from "./reorder-point.ts";
import type { Item, Pool } from "./work-items.ts";

export class DescriptorSource {
  readonly #counted: CountedCore;
  readonly #pool: Pool;
  /** RP4 of each context. */
  readonly #order: readonly ReorderPoint<Item>[];
  readonly #push: (item: Item) => void;
  /** Descriptors of each context on their way to being fetched. */
  readonly #fetching: number[];
  /** Contexts that found no buffer. */
  readonly #rung = new Set<number>();

  /** `push` takes an item to the ATX manager. */
  constructor(
    counted: CountedCore,
    pool: Pool,
    order: readonly ReorderPoint<Item>[],
    push: (item: Item) => void,
  ) {
    this.#counted = counted;
    this.#pool = pool;
    this.#order = order;
    this.#push = push;
    this.#fetching = order.map(() => 0);
  }

  /** The NIC sees a context's doorbell. */
  poll(context: number): void {
    const { exports, core } = this.#counted;
    const pending = exports.pendingDescriptors(core.address, context);
    for (let left = pending - (this.#fetching[context] as number); left > 0; left -= 1) {
      const item = this.#pool.take();
      if (item === undefined) {
        this.#rung.add(context);
        return;
      }
      item.source = context;
      item.egressNumber = -1;
      item.ingressNumber = (this.#order[context] as ReorderPoint<Item>).assign();
      this.#fetching[context] = (this.#fetching[context] as number) + 1;
      this.#push(item);
    }
  }

  /** Fetch. */
  fetch(item: Item): void {
    const { exports, core } = this.#counted;
    this.#fetching[item.source] = (this.#fetching[item.source] as number) - 1;
    exports.fetchDescriptor(core.address, item.source, item.work);
  }

  /** Pre-processing has finished with it. */
  submit(item: Item): void {
    (this.#order[item.source] as ReorderPoint<Item>).submit(item.ingressNumber, item);
  }

  /** A buffer has come back. */
  retry(): void {
    if (this.#rung.size === 0) return;
    const rung = [...this.#rung];
    this.#rung.clear();
    for (const context of rung) this.poll(context);
  }
}

/**
 * Goal: whatever a peer sends and an application does, in whatever order, no row, tuple or buffer
 * is left behind, every known connection ends in one closed(), and nothing throws (threats H17,
 * I10, U02). Method: seeded random segments around live sequence numbers, and random calls.
 */
import { expect, test } from "vitest";
import { CORE_CHUNK_FREE_COUNT } from "../../../bindings/abi/memory-map.ts";
import { timestampOption } from "../../support/frames.ts";
import { Random } from "../../support/random.ts";
import { arpFrame, Host, LOCAL, REMOTE, REMOTE_MAC, type Sent, synOptions } from "./harness.ts";

const STEPS = 1500;
const CONNECTIONS = 24;

class Soak {
  readonly host: Host;
  readonly #random: Random;
  readonly #held = new Set<number>();
  readonly #closed = new Map<number, number>();
  readonly #last: Sent[] = [];
  readonly #listener: number;
  #seen = 0;

  constructor(seed: number) {
    this.#random = new Random(seed);
    this.host = new Host({ seed, layout: { connections: CONNECTIONS } });
    const options = { receiveBuffer: 1, sendBuffer: 1, linger2: 1000, userTimeout: 4000 };
    this.#listener = this.host.listen(80, 6, options);
    this.host.teachNeighbor();
  }

  #note(sent: readonly Sent[]): void {
    for (const segment of sent) {
      if (segment.kind === "tcp") this.#last.push(segment);
      else this.#note(this.host.feed(arpFrame(2, REMOTE_MAC, REMOTE, LOCAL)));
    }
    this.#last.splice(0, Math.max(0, this.#last.length - 40));
    for (; this.#seen < this.host.events.length; this.#seen += 1) {
      const [kind, id] = (this.host.events[this.#seen] as string).split(" ");
      const number = Number(id);
      if (kind === "opened") {
        this.#held.add(number);
        this.#closed.delete(number);
      }
      if (kind !== "closed") continue;
      expect(this.#held.has(number), "closed() of a connection that nobody holds").toBe(true);
      this.#closed.set(number, (this.#closed.get(number) ?? 0) + 1);
      expect(this.#closed.get(number), "closed() twice").toBe(1);
    }
  }

  #forget(id: number): void {
    this.#held.delete(id);
    this.#closed.delete(id);
  }

  #segment(): void {
    const random = this.#random;
    const basis = this.#last.length > 0 ? random.pick(this.#last) : undefined;
    const near = (value: number): number => (value + random.pick([0, 0, 0, 0, 1, -1, 9])) >>> 0;
    const stamp = random.pick([1, 5, 9]);
    this.#note(
      this.host.feed(
        this.host.segment({
          sourcePort: basis?.destinationPort ?? random.between(1, 40),
          destinationPort: basis?.sourcePort ?? 80,
          flags: random.oneIn(8) ? random.below(256) : random.pick([16, 16, 17, 2, 18, 4, 20]),
          seq: near(basis?.ack ?? random.u32()),
          ack: near((basis?.seq ?? 0) + (basis?.payload.length ?? 0) + random.below(2)),
          options: random.pick([[], synOptions(stamp), timestampOption(stamp, 0)]),
          payload: new Uint8Array(random.pick([0, 0, 0, 1, 100])),
        }),
      ),
    );
  }

  #syn(): void {
    const sourcePort = this.#random.between(1, 40);
    const options = this.#random.pick([[], synOptions(3)]);
    this.#note(this.host.feed(this.host.segment({ flags: 2, seq: 7, sourcePort, options })));
  }

  #call(): void {
    const { control } = this.host;
    const random = this.#random;
    const id = this.#held.size > 0 ? random.pick([...this.#held]) : 0;
    const isOpen = id !== 0 && !this.#closed.has(id);
    const choice = random.below(7);
    if (choice === 0) control.accept(this.#listener);
    if (choice === 1) this.#open();
    if (choice === 2 && isOpen) this.host.update(id, { append: 50 });
    if ((choice === 3 || choice === 4) && isOpen) {
      this.host.update(id, { fin: true });
      control.shutdownSend(id);
    }
    if (choice >= 4 && choice <= 5 && id !== 0) {
      control.release(id);
      this.#forget(id);
    }
    if (choice === 6 && id !== 0) {
      control.abort(id);
      this.#forget(id);
    }
    this.#note(this.host.poll());
  }

  #open(): void {
    const options = { receiveBuffer: 1, sendBuffer: 1, synRetries: 2 };
    const id = this.host.open(this.#random.between(80, 82), options);
    if (id > 0) this.#held.add(id);
  }

  run(): void {
    for (let step = 0; step < STEPS; step += 1) {
      const choice = this.#random.below(10);
      if (choice < 5) this.#segment();
      else if (choice < 6) this.#syn();
      else if (choice < 9) this.#call();
      else this.#note(this.host.after(this.#random.pick([1e6, 1e8, 3e9])));
      const [bound, installed] = this.host.held();
      expect(installed).toBeLessThanOrEqual(bound);
      expect(bound).toBeLessThanOrEqual(CONNECTIONS);
    }
    for (const id of [...this.#held]) this.host.control.release(id);
    this.#held.clear();
    this.host.control.unlisten(this.#listener);
    for (let second = 0; second < 700; second += 1) this.#note(this.host.after(1e9));
  }
}

test.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])("seed %d leaves nothing behind", (seed) => {
  const soak = new Soak(seed);
  const { host } = soak;
  const free = (): number => {
    return host.core.words[(host.core.address + CORE_CHUNK_FREE_COUNT) >>> 2] as number;
  };
  const before = free();
  soak.run();
  expect(host.control.counters).toMatchObject({ connections: 0, timeWait: 0, listeners: 0 });
  expect(host.held()).toEqual([0, 0]);
  expect(free()).toBe(before);
});

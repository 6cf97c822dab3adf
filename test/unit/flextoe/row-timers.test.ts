/**
 * A row's timers end with its connection: the next one in the row waits for its own. Method: the
 * bare core; a connection leaves the data path with a timer armed, another one comes into its row
 * before that is due and arms the same kind.
 */
import { expect, test } from "vitest";
import { FLOW_NODELAY } from "../../../bindings/abi/flow-state.ts";
import { buildFrame, streamBytes } from "../../support/frames.ts";
import { testCore } from "../../support/load-core.ts";
import { FLOW_DEFAULTS, type Outcome, RawCore } from "../../support/raw-core.ts";

const MSS = 500;

/** One connection after the other in row 1. */
class Row {
  readonly raw = new RawCore(testCore());
  #generation = 0;

  next(): void {
    const { core } = this.raw;
    if (this.#generation > 0) {
      core.exports.uninstall(core.address, 1);
      core.exports.unbind(core.address, 1);
    }
    this.#generation += 1;
    const generation = this.#generation;
    this.raw.establish({ generation, mss: MSS, flags: FLOW_NODELAY, ackThreshold: 2 });
  }

  send(segments: number): void {
    const flow = { ...FLOW_DEFAULTS, mss: MSS };
    this.raw.fill(flow, flow.txSeq, streamBytes(flow.txSeq, segments * MSS));
    this.raw.post(1, { generation: this.#generation, txAppend: segments * MSS });
    expect(this.raw.step().frames).toHaveLength(segments);
  }

  receive(): void {
    const { rxSeq: seq, txSeq: ack } = FLOW_DEFAULTS;
    const frame = buildFrame({ seq, ack, payload: streamBytes(seq, MSS) });
    expect(this.raw.offer([frame]).frames).toHaveLength(0);
  }

  /** ns until a step shows something. */
  until(shows: (outcome: Outcome) => boolean, step: number): number {
    const from = this.raw.now;
    for (let turn = 0; turn < 10_000; turn += 1) {
      this.raw.now += step;
      if (shows(this.raw.step())) return this.raw.now - from;
    }
    throw new Error("expected a timer to go off, got none");
  }
}

const expired = ({ events }: Outcome): boolean => events.length > 0;
const acknowledged = ({ frames }: Outcome): boolean => frames.length > 0;

// Header prediction starts the timer of a lone segment without a look at it.
for (const segments of [1, 2]) {
  const what = `${segments} segment${segments === 1 ? "" : "s"} in flight`;
  test(`the retransmission timer of a row's last user is not its next one's: ${what}`, () => {
    const step = FLOW_DEFAULTS.rtoInitial / 50;
    const row = new Row();
    row.next();
    row.send(segments);
    row.raw.now += FLOW_DEFAULTS.rtoInitial * 0.8;
    row.next();
    row.send(segments);
    expect(row.until(expired, step)).toBeGreaterThanOrEqual(FLOW_DEFAULTS.rtoInitial);
  });
}

test("the delayed-ACK timer of a row's last user is not its next one's", () => {
  const step = FLOW_DEFAULTS.delayedAck / 50;
  const row = new Row();
  row.next();
  row.receive();
  row.raw.now += FLOW_DEFAULTS.delayedAck * 0.8;
  row.next();
  row.receive();
  expect(row.until(acknowledged, step)).toBeGreaterThanOrEqual(FLOW_DEFAULTS.delayedAck);
});

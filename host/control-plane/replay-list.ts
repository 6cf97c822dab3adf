/**
 * Frames that the data path should see again because their connection was installed while they
 * waited in the event ring (day-one decision 10). Rows have the form of a burst's frame table.
 */
import { FRAME_SIZE } from "../../bindings/abi/descriptor.ts";
import { BATCH_MAX } from "../../bindings/abi/limits.ts";

const WORDS = FRAME_SIZE / 4;

export class ReplayList {
  /** FRAME_SIZE / 4 words a frame: offset in the ingress span, length, netif, connection. */
  readonly table = new Uint32Array(BATCH_MAX * WORDS);
  count = 0;

  /** Adds a frame; one burst has no more frames than the list. */
  add(offset: number, length: number, netif: number, connection: number): void {
    if (this.count === BATCH_MAX) return;
    const at = this.count * WORDS;
    this.table[at] = offset;
    this.table[at + 1] = length;
    this.table[at + 2] = netif;
    this.table[at + 3] = connection;
    this.count += 1;
  }
}

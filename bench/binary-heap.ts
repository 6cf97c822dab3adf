/**
 * A binary heap over typed arrays, the textbook way to keep deadlines: the peer of the wheel. The
 * earliest key is at the root; `replaceFirst` is an expiry and its insertion in one.
 */
export class BinaryHeap {
  readonly keys: Float64Array;
  readonly flows: Uint32Array;
  size = 0;

  constructor(capacity: number) {
    this.keys = new Float64Array(capacity);
    this.flows = new Uint32Array(capacity);
  }

  insert(key: number, flow: number): void {
    let at = this.size;
    this.size += 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = this.keys[parent] as number;
      if (above <= key) break;
      this.keys[at] = above;
      this.flows[at] = this.flows[parent] as number;
      at = parent;
    }
    this.keys[at] = key;
    this.flows[at] = flow;
  }

  /** The first one leaves and comes back with a later key. */
  replaceFirst(key: number): void {
    const { keys, flows, size } = this;
    const flow = flows[0] as number;
    let at = 0;
    for (let child = 1; child < size; child = 2 * at + 1) {
      const right = child + 1;
      if (right < size && (keys[right] as number) < (keys[child] as number)) child = right;
      if ((keys[child] as number) >= key) break;
      keys[at] = keys[child] as number;
      flows[at] = flows[child] as number;
      at = child;
    }
    keys[at] = key;
    flows[at] = flow;
  }
}

/**
 * Sessions drawn from a seed: an open connection, data both ways with loss, reordering, duplicates
 * and closed windows, and one of several ends. The same seed draws the same session for both
 * systems. What is drawn stays where both are known to agree (accepted.txt has the rest): a session
 * of one seed can have no entry there.
 */
import { Random } from "../support/random.ts";
import { type Script, script } from "./script.ts";

/** What the peer offers, and how its later segments look. */
interface Shape {
  readonly options: string;
  readonly stamps: boolean;
  readonly sack: boolean;
  readonly mss: number;
}

/** Linux acknowledges 16 segments at once at the start, ours 15: a session has fewer. */
const SEGMENTS_MAX = 12;
/** Of data in flight: an initial window. */
const FLIGHT_MAX = 10;

class Draw {
  readonly #random: Random;
  readonly #shape: Shape;
  readonly lines: string[] = [];
  /** The peer's next number, its clock, and the segments of data it has sent. */
  #next = 1;
  #clock = 1000;
  #segments = 0;
  /** What the application has written and the peer acknowledged; numbers of the other side. */
  #written = 1;
  #acked = 1;
  /** A timeout has left one segment of congestion window. */
  #narrow = false;
  /** The clock when data left last. */
  #writtenAt = 0;

  constructor(random: Random) {
    this.#random = random;
    const mss = random.pick([500, 1000, 1460]);
    const [sack, stamps] = [random.oneIn(2), random.oneIn(3)];
    const scale = random.oneIn(2) ? ",nop,wscale 2" : "";
    const offered = `mss ${mss}${sack ? ",nop,nop,sackOK" : ""}${scale}`;
    const clock = stamps ? ",nop,nop,TS val 1000 ecr *" : "";
    this.#shape = { options: `<${offered}${clock}>`, stamps, sack, mss };
  }

  #say(...lines: readonly string[]): void {
    this.lines.push(...lines);
  }

  #wait(ms: number): void {
    this.#say(`+${ms}`);
    this.#clock += ms;
  }

  /** A segment of the peer's with everything acknowledged, or up to `ack`. */
  #segment(flags: string, seq: number, length: number, ack: number | string = "*", blocks = "") {
    // A peer is some way off: a round trip of nothing is no sample to compare timers by.
    if (ack === "*" && this.#writtenAt === this.#clock) this.#wait(8);
    const options = [
      this.#shape.stamps ? `nop,nop,TS val ${this.#clock} ecr *` : "",
      blocks === "" ? "" : `nop,nop,sack ${blocks}`,
    ].filter((one) => one !== "");
    const text = options.length === 0 ? "" : ` <${options.join(",")}>`;
    this.#say(`< ${flags} ${seq}:${seq + length}(${length}) ack ${ack} win 60000${text}`);
    if (ack === "*") this.#acked = this.#written;
  }

  open(): void {
    const { options } = this.#shape;
    if (this.#random.oneIn(3)) {
      this.#say("connect");
      this.#wait(10);
      this.#say(`< S. 0:0(0) ack 1 win 60000 ${options}`);
    } else {
      this.#say("listen", `< S 0:0(0) win 60000 ${options.replace("ecr *", "ecr 0")}`);
      this.#wait(10);
      this.#segment(".", 1, 0);
      this.#say("accept");
    }
    this.#say("set nodelay 1");
  }

  /** The application writes; all of it leaves at once. */
  #write(): void {
    const most = this.#narrow ? 1 : FLIGHT_MAX;
    const count = this.#random.between(1, most) - (this.#written - this.#acked > 0 ? most : 0);
    if (count <= 0) {
      this.#acknowledge();
      return;
    }
    const { mss, stamps } = this.#shape;
    const bytes = count * (mss - (stamps ? 12 : 0));
    this.#say(`send ${bytes}`);
    this.#writtenAt = this.#clock;
    this.#written += bytes;
  }

  #acknowledge(): void {
    this.#wait(this.#random.pick([5, 8, 10]));
    this.#segment(".", this.#next, 0);
  }

  /** Segments in some order, some of them twice; in the end all are there. */
  #burst(): void {
    const count = Math.min(this.#random.between(1, 4), SEGMENTS_MAX - this.#segments);
    if (count <= 0) {
      this.#acknowledge();
      return;
    }
    const pieces = Array.from({ length: count }, () => {
      const piece = { seq: this.#next, length: this.#random.pick([1, 100, 333, 500]) };
      this.#next += piece.length;
      return piece;
    });
    const order = pieces.map((piece) => ({ piece, key: this.#random.below(1000) }));
    if (!this.#random.oneIn(3)) order.sort((a, b) => a.key - b.key);
    for (const { piece, key } of order) {
      this.#segment("P.", piece.seq, piece.length);
      if (key % 5 === 0) this.#segment("P.", piece.seq, piece.length);
    }
    this.#segments += count;
    this.#say("recv 4000");
  }

  /** Bytes that the peer has had for long. */
  #old(): void {
    if (this.#next < 2) {
      this.#burst();
      return;
    }
    const length = this.#random.between(1, Math.min(200, this.#next - 1));
    const seq = this.#random.between(1, this.#next - length);
    this.#segment("P.", seq, length, this.#acked);
    this.#say("recv 4000");
  }

  /** Nothing comes back until the timer is over; once, since a second one is backed off. */
  #silence(): void {
    if (this.#narrow) {
      this.#acknowledge();
      return;
    }
    if (this.#written === this.#acked) this.#write();
    this.#wait(300);
    this.#segment(".", this.#next, 0);
    this.#narrow = true;
  }

  /** The first segment in flight is lost, and the others are told of. */
  #loss(): void {
    this.#acknowledge();
    if (this.#narrow) {
      this.#write();
      return;
    }
    const { mss, stamps, sack } = this.#shape;
    const size = mss - (stamps ? 12 : 0);
    const una = this.#written;
    this.#say(`send ${6 * size}`);
    this.#written += 6 * size;
    this.#wait(8);
    for (let told = 2; told <= 4; told += 1) {
      const blocks = sack ? `${una + size}:${una + told * size}` : "";
      this.#segment(".", this.#next, 0, una, blocks);
    }
    this.#wait(8);
    this.#segment(".", this.#next, 0);
    this.#narrow = true;
  }

  /** What must not be taken: outside the window, a SYN, an ACK of the future. */
  #intruder(): void {
    const seq = this.#next;
    const kind = this.#random.below(5);
    if (kind === 0) this.#segment("P.", seq + 500_000, 100, this.#acked);
    else if (kind === 1) this.#say(`< S ${seq}:${seq}(0) win 60000`);
    else if (kind === 2) this.#segment(".", seq, 0, this.#written + 100_000);
    else if (kind === 3) this.#say(`< R ${seq + 40}:${seq + 40}(0)`);
    else this.#say(`< R ${seq + 700_000}:${seq + 700_000}(0)`);
  }

  /** Some steps of life. */
  live(): void {
    const kinds = [
      () => this.#write(),
      () => this.#write(),
      () => this.#burst(),
      () => this.#burst(),
      () => this.#acknowledge(),
      () => this.#old(),
      () => this.#intruder(),
      () => this.#silence(),
      () => this.#loss(),
      () => this.#wait(this.#random.pick([3, 7])),
    ];
    const steps = this.#random.between(4, 14);
    for (let step = 0; step < steps; step += 1) this.#random.pick(kinds)();
    this.#acknowledge();
  }

  #fin(): void {
    this.#wait(60);
    this.#segment("F.", this.#next, 0);
    this.#next += 1;
    this.#wait(80);
  }

  end(): void {
    const ends = [
      () => {
        this.#fin();
        this.#say("recv 4000", "close");
        this.#acknowledge();
      },
      () => {
        this.#say("close");
        this.#acknowledge();
        this.#fin();
        this.#segment("F.", this.#next - 1, 0);
      },
      () => {
        this.#say("shutdown wr");
        this.#acknowledge();
        this.#burst();
        this.#fin();
        this.#say("recv 4000", "close");
      },
      () => {
        this.#say("close");
        const fin = this.#next;
        this.#segment("F.", fin, 0, this.#written);
        this.#next += 1;
        this.#acknowledge();
      },
      () => this.#say(`< R ${this.#next}:${this.#next}(0)`, "recv 10", "error", "send 10"),
      () => this.#say("set linger 0", "close"),
      () => undefined,
    ];
    this.#random.pick(ends)();
    this.#wait(20);
  }
}

/** The session of a seed. */
export function randomScript(seed: number): Script {
  const draw = new Draw(new Random(seed));
  draw.open();
  draw.live();
  draw.end();
  return script(`random-${seed}`, draw.lines);
}

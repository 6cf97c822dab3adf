/**
 * Transaction-layer packets (TLPs) of PCI Express: how many a transfer becomes, of which type, and
 * how many bytes they are on the wire. The accounting is that of pcie-bench (Neugebauer et al.,
 * SIGCOMM 2018, and its public model); splitting follows the PCIe Base Specification, 2.2.7
 * (requests: MPS, MRRS, 4 KiB) and 2.3.1.1 (completions: RCB). Generations 1 to 5: from
 * generation 6 on there are flits, which this accounting does not know.
 */

/** Types of TLP. An MSI-X interrupt is a memory write. */
export const Tlp = { MWr: 0, MRd: 1, Cpl: 2, CplD: 3, Msg: 4 } as const;
export type TlpName = keyof typeof Tlp;
export type Tlp = (typeof Tlp)[TlpName];
export const TLP_NAMES = ["MWr", "MRd", "Cpl", "CplD", "Msg"] as const satisfies readonly TlpName[];

/** Direction on the link: both carry at once. */
export const Direction = { ToDevice: 0, ToHost: 1 } as const;
export type Direction = (typeof Direction)[keyof typeof Direction];

/** No memory request crosses such a boundary (2.2.7). */
const PAGE = 4096;
/** Length fields and credits count double words of 4 bytes. */
const DOUBLE_WORD = 4;
/**
 * Physical and data-link layer per TLP: start and end symbol, sequence number and LCRC in
 * generations 1 and 2 (1 + 2 + 4 + 1), STP token and LCRC from 3 on (4 + 4).
 */
const FRAMING = 8;
/** Three double words: completions, and memory requests below 4 GiB; four: the rest (2.2.4). */
const HEADER_3DW = 12;
const HEADER_4DW = 16;
const ECRC = 4;
/** ACK and flow-control DLLPs: 6 bytes and framing. */
const DLLP = 8;
/** SKP ordered sets: 4 symbols for each 1538 (4.2.7). */
const SKIP = 4 / 1538;
/** Bytes of a TLP's overhead in the ACK latency limit, and internal delay (3.6.3.1). */
const ACK_OVERHEAD = 28;
/** Symbols: generations 1, 2, and 3 on. */
const ACK_DELAY = [19, 70, 115] as const;

/** GT/s of a lane and the share of symbols that is data (8b/10b, 128b/130b), by generation. */
const LANE = [
  [2.5, 8 / 10],
  [5, 8 / 10],
  [8, 128 / 130],
  [16, 128 / 130],
  [32, 128 / 130],
] as const;

export interface PcieOptions {
  /** 1 to 5. */
  readonly generation: number;
  readonly lanes: number;
  /** Maximum payload size: bytes of a write or a completion. */
  readonly maxPayload: number;
  /** Maximum read request size in bytes. */
  readonly maxReadRequest: number;
  /** Read completion boundary, 64 or 128: where the host may cut the answer to a read. */
  readonly readCompletionBoundary: number;
  /** Bytes of the host's completions: as a rule `maxPayload`, some hosts send one RCB at a time. */
  readonly completionBytes: number;
  /** 64: four double words of header in memory requests; 32: three. */
  readonly addressBits: 32 | 64;
  /** End-to-end checksum in each TLP. */
  readonly ecrc: boolean;
}

/** The link of an Agilio CX40 (dissertation 4.1.1), with the sizes that pcie-bench found usual. */
export const PCIE_DEFAULTS: PcieOptions = {
  generation: 3,
  lanes: 8,
  maxPayload: 256,
  maxReadRequest: 512,
  readCompletionBoundary: 64,
  completionBytes: 256,
  addressBits: 64,
  ecrc: false,
};

/** `got` unless it is none of `expected`. */
function oneOf(name: string, expected: readonly number[], got: number): number {
  if (expected.includes(got)) return got;
  throw new RangeError(`pcie: expected ${name} ${expected.join(", ")}, got ${got}`);
}

const SIZES = [128, 256, 512, 1024, 2048, 4096];

/** One link, as negotiated. Throws RangeError for what no link can be. */
export class Pcie {
  readonly options: PcieOptions;
  /** Lanes x rate x encoding. pcie-bench's 62.96 rounds a lane of generation 3 to 7.87 first. */
  readonly rawGbps: number;
  /** What is left for TLPs after ACKs, flow control and SKP at the recommended rates. */
  readonly tlpGbps: number;
  readonly #headers: readonly number[];

  constructor(options: Partial<PcieOptions> = {}) {
    const maxPayload = options.maxPayload ?? PCIE_DEFAULTS.maxPayload;
    const o = { ...PCIE_DEFAULTS, completionBytes: maxPayload, ...options };
    oneOf("generation", [1, 2, 3, 4, 5], o.generation);
    oneOf("lanes", [1, 2, 4, 8, 16, 32], o.lanes);
    oneOf("maxPayload", SIZES, o.maxPayload);
    oneOf("maxReadRequest", SIZES, o.maxReadRequest);
    oneOf("addressBits", [32, 64], o.addressBits);
    const boundary = oneOf("readCompletionBoundary", [64, 128], o.readCompletionBoundary);
    const completions = [boundary, ...SIZES].filter((n) => n >= boundary && n <= o.maxPayload);
    oneOf("completionBytes", completions, o.completionBytes);
    this.options = o;
    const [rate, encoding] = LANE[o.generation - 1] as (typeof LANE)[number];
    this.rawGbps = rate * encoding * o.lanes;
    this.tlpGbps = this.rawGbps * (1 - 2 * (DLLP / acknowledgmentSymbols(o)) - SKIP);
    const request = o.addressBits === 64 ? HEADER_4DW : HEADER_3DW;
    const common = FRAMING + (o.ecrc ? ECRC : 0);
    const headers = [request, request, HEADER_3DW, HEADER_3DW, HEADER_4DW];
    this.#headers = headers.map((bytes) => common + bytes);
  }

  /** Bytes of a TLP that are not payload: framing, LCRC, header, ECRC. */
  header(type: Tlp): number {
    return this.#headers[type] as number;
  }

  /** Time that `wireBytes` take up the link in one direction. */
  wireNs(wireBytes: number): number {
    return (wireBytes * 8) / this.tlpGbps;
  }

  /** Bytes of the first MWr of a write. */
  writePiece(address: number, bytes: number): number {
    return requestPiece(address, bytes, this.options.maxPayload);
  }

  /** Bytes that the first MRd of a read asks for. */
  readPiece(address: number, bytes: number): number {
    return requestPiece(address, bytes, this.options.maxReadRequest);
  }

  /** Bytes of the first CplD for one MRd: all but the last end on the completion boundary. */
  completionPiece(address: number, bytes: number): number {
    const { completionBytes, readCompletionBoundary } = this.options;
    const first = address - (address % DOUBLE_WORD);
    if (address + bytes <= first + completionBytes) return bytes;
    const end = first + completionBytes;
    return end - (end % readCompletionBoundary) - address;
  }

  /** Share of the link that is data, in Gb/s, when one transfer follows the other. */
  effectiveGbps(kind: "read" | "write", address: number, bytes: number): number {
    const count = new TlpCounters(this);
    if (kind === "write") count.write(Direction.ToHost, address, bytes);
    else count.read(Direction.ToHost, address, bytes);
    const most = Math.max(count.wireBytes(Direction.ToHost), count.wireBytes(Direction.ToDevice));
    return (this.tlpGbps * bytes) / most;
  }
}

/** Bytes of a request from `address` on: whole double words up to `most`, and one 4 KiB page. */
function requestPiece(address: number, bytes: number, most: number): number {
  return Math.min(bytes, most - (address % DOUBLE_WORD), PAGE - (address % PAGE));
}

/** Payload on the wire: the double words that the bytes stand in. */
export function payloadOnWire(address: number, bytes: number): number {
  const lead = address % DOUBLE_WORD;
  return Math.ceil((lead + bytes) / DOUBLE_WORD) * DOUBLE_WORD;
}

/** Symbols between two ACKs, and between two UpdateFCs: the specification's formula (3.6.3.1). */
function acknowledgmentSymbols({ generation, lanes, maxPayload }: PcieOptions): number {
  const isSmall = maxPayload <= 256;
  let factor = isSmall ? 1.4 : 1;
  if (lanes === 8) factor = isSmall ? 2.5 : 1;
  if (lanes >= 16) factor = isSmall ? 3 : 2;
  const delay = ACK_DELAY[Math.min(generation, 3) - 1] as number;
  return Math.floor(((maxPayload + ACK_OVERHEAD) * factor) / lanes + delay);
}

/** TLPs and wire bytes by type and direction. Counting allocates nothing. */
export class TlpCounters {
  readonly pcie: Pcie;
  readonly #tlps = new Float64Array(2 * TLP_NAMES.length);
  readonly #bytes = new Float64Array(2 * TLP_NAMES.length);

  constructor(pcie: Pcie) {
    this.pcie = pcie;
  }

  /** One TLP with `payload` bytes on the wire; returns its wire bytes. */
  add(type: Tlp, direction: Direction, payload: number): number {
    const bytes = this.pcie.header(type) + payload;
    const at = 2 * type + direction;
    this.#tlps[at] = (this.#tlps[at] as number) + 1;
    this.#bytes[at] = (this.#bytes[at] as number) + bytes;
    return bytes;
  }

  /** Everything that `other` has counted, `times` over. */
  addAll(other: TlpCounters, times: number): void {
    for (let at = 0; at < this.#tlps.length; at += 1) {
      this.#tlps[at] = (this.#tlps[at] as number) + (other.#tlps[at] as number) * times;
      this.#bytes[at] = (this.#bytes[at] as number) + (other.#bytes[at] as number) * times;
    }
  }

  /** A write of `bytes`; returns its wire bytes. */
  write(direction: Direction, address: number, bytes: number): number {
    let wire = 0;
    for (let done = 0; done < bytes; ) {
      const piece = this.pcie.writePiece(address + done, bytes - done);
      wire += this.add(Tlp.MWr, direction, payloadOnWire(address + done, piece));
      done += piece;
    }
    return wire;
  }

  /** A read whose requests go `direction`; returns the wire bytes of its completions. */
  read(direction: Direction, address: number, bytes: number): number {
    let wire = 0;
    for (let done = 0; done < bytes; ) {
      const piece = this.pcie.readPiece(address + done, bytes - done);
      this.add(Tlp.MRd, direction, 0);
      wire += this.complete(direction, address + done, piece);
      done += piece;
    }
    return wire;
  }

  /** The completions of one MRd that went `direction`; returns their wire bytes. */
  complete(direction: Direction, address: number, bytes: number): number {
    const back = direction === Direction.ToHost ? Direction.ToDevice : Direction.ToHost;
    let wire = 0;
    for (let done = 0; done < bytes; ) {
      const piece = this.pcie.completionPiece(address + done, bytes - done);
      wire += this.add(Tlp.CplD, back, payloadOnWire(address + done, piece));
      done += piece;
    }
    return wire;
  }

  tlps(type: Tlp): number {
    return (this.#tlps[2 * type] as number) + (this.#tlps[2 * type + 1] as number);
  }

  total(): number {
    return this.#tlps.reduce((sum, count) => sum + count, 0);
  }

  wireBytes(direction: Direction): number {
    return this.#bytes.reduce((sum, n, at) => (at % 2 === direction ? sum + n : sum), 0);
  }
}

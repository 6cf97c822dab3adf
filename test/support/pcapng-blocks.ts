/** Reads pcapng back, strictly: what a capture test compares. Little-endian sections only. */

export interface PcapngInterface {
  readonly linkType: number;
  readonly name: string;
  readonly tsresol: number;
}

export interface PcapngPacket {
  readonly interface: number;
  readonly time: number;
  readonly bytes: Uint8Array;
  readonly originalLength: number;
  readonly flags: number;
  readonly comment: string;
}

export interface PcapngFile {
  readonly application: string;
  readonly interfaces: PcapngInterface[];
  readonly packets: PcapngPacket[];
}

/** Parses a whole file; throws Error at the first thing that the format does not allow. */
export function parsePcapng(file: Uint8Array): PcapngFile {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const interfaces: PcapngInterface[] = [];
  const packets: PcapngPacket[] = [];
  let application = "";
  for (let at = 0; at < file.length; ) {
    const type = view.getUint32(at, true);
    const length = view.getUint32(at + 4, true);
    must(length % 4 === 0 && length >= 12 && at + length <= file.length, at, `length ${length}`);
    must(view.getUint32(at + length - 4, true) === length, at, "lengths differ");
    const end = at + length - 4;
    if (at === 0) {
      must(type === 0x0a0d0d0a, at, "no section header");
      must(view.getUint32(at + 8, true) === 0x1a2b3c4d, at, "byte order");
      must(view.getUint16(at + 12, true) === 1, at, "version");
      application = text(options(file, at + 24, end).get(4));
    } else if (type === 1) {
      const found = options(file, at + 16, end);
      const tsresol = found.get(9)?.[0] ?? 6;
      interfaces.push({
        linkType: view.getUint16(at + 8, true),
        name: text(found.get(2)),
        tsresol,
      });
    } else {
      must(type === 6, at, `block type ${type}`);
      packets.push(packet(file, view, at, end, interfaces.length));
    }
    at += length;
  }
  return { application, interfaces, packets };
}

function packet(
  file: Uint8Array,
  view: DataView,
  at: number,
  end: number,
  interfaces: number,
): PcapngPacket {
  const number = view.getUint32(at + 8, true);
  must(number < interfaces, at, `interface ${number} is not described`);
  const time = view.getUint32(at + 12, true) * 2 ** 32 + view.getUint32(at + 16, true);
  const kept = view.getUint32(at + 20, true);
  const originalLength = view.getUint32(at + 24, true);
  must(kept <= originalLength && at + 28 + kept <= end, at, `captured length ${kept}`);
  const found = options(file, at + 28 + ((kept + 3) & ~3), end);
  const flags = found.get(2);
  must(flags === undefined || flags.length === 4, at, "flags");
  return {
    interface: number,
    time,
    bytes: file.slice(at + 28, at + 28 + kept),
    originalLength,
    flags: flags?.[0] ?? 0,
    comment: text(found.get(1)),
  };
}

function options(file: Uint8Array, from: number, end: number): Map<number, Uint8Array> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const found = new Map<number, Uint8Array>();
  for (let at = from; at < end; ) {
    must(at + 4 <= end, at, "option header");
    const code = view.getUint16(at, true);
    const length = view.getUint16(at + 2, true);
    if (code === 0) {
      must(length === 0 && at + 4 === end, at, "end of options");
      return found;
    }
    must(at + 4 + length <= end, at, `option length ${length}`);
    found.set(code, file.slice(at + 4, at + 4 + length));
    at += 4 + ((length + 3) & ~3);
  }
  return found;
}

function text(bytes: Uint8Array | undefined): string {
  return new TextDecoder().decode(bytes ?? new Uint8Array(0));
}

function must(holds: boolean, at: number, what: string): void {
  if (!holds) throw new Error(`pcapng at ${at}: ${what}`);
}

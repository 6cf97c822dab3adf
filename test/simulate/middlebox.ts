/** What a box on the path may do to a frame that is not its own: options out of SYNs. */
const ETHERNET = 14;
const TCP = 6;
const SYN = 2;
const NOP = 1;

const IPV6 = 40;

const isIpv6 = (frame: Uint8Array, ip: number): boolean => (frame[ip] as number) >>> 4 === 6;

/** Where TCP begins in a frame; -1 when it has none. */
export function tcpAt(frame: Uint8Array, isEthernet: boolean): number {
  const ip = isEthernet ? ETHERNET : 0;
  if (isIpv6(frame, ip)) {
    const isTyped = !isEthernet || (frame[12] === 0x86 && frame[13] === 0xdd);
    return isTyped && frame.length >= ip + IPV6 && frame[ip + 6] === TCP ? ip + IPV6 : -1;
  }
  if (isEthernet && (frame[12] !== 8 || frame[13] !== 0)) return -1;
  return frame[ip + 9] === TCP ? ip + ((frame[ip] as number) & 15) * 4 : -1;
}

/** Sum over TCP and its pseudo-header: 0xffff when the checksum is right, or the lengths lie. */
function sumOf(view: DataView, ip: number, tcp: number): number {
  const isLong = view.getUint8(ip) >>> 4 === 6;
  const said = isLong ? view.getUint16(ip + 4) : view.getUint16(ip + 2) - (tcp - ip);
  const bytes = Math.min(said, view.byteLength - tcp);
  let sum = TCP + bytes;
  const [from, to] = isLong ? [ip + 8, ip + 40] : [ip + 12, ip + 20];
  for (let at = from; at < to; at += 2) sum += view.getUint16(at);
  for (let at = 0; at < bytes; at += 1) sum += view.getUint8(tcp + at) << (at % 2 === 0 ? 8 : 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return sum;
}

function viewOf(frame: Uint8Array): DataView {
  return new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
}

/** Makes the TCP checksum right again. */
export function mendChecksum(frame: Uint8Array, isEthernet: boolean): void {
  const tcp = tcpAt(frame, isEthernet);
  if (tcp < 0) return;
  const view = viewOf(frame);
  view.setUint16(tcp + 16, 0);
  view.setUint16(tcp + 16, ~sumOf(view, isEthernet ? ETHERNET : 0, tcp) & 0xffff);
}

/** Writes NOPs over options of the given kinds in a SYN, unless its checksum is wrong. */
export function stripOptions(
  frame: Uint8Array,
  isEthernet: boolean,
  kinds: readonly number[],
): void {
  const tcp = kinds.length === 0 ? -1 : tcpAt(frame, isEthernet);
  if (tcp < 0 || ((frame[tcp + 13] as number) & SYN) === 0) return;
  if (sumOf(viewOf(frame), isEthernet ? ETHERNET : 0, tcp) !== 0xffff) return;
  const end = tcp + ((frame[tcp + 12] as number) >>> 4) * 4;
  let found = false;
  for (let at = tcp + 20; at < end && frame[at] !== 0; ) {
    const kind = frame[at] as number;
    const bytes = kind === NOP ? 1 : Math.max(2, frame[at + 1] as number);
    if (kinds.includes(kind)) {
      frame.fill(NOP, at, at + bytes);
      found = true;
    }
    at += bytes;
  }
  if (found) mendChecksum(frame, isEthernet);
}

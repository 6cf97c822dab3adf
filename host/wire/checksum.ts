/**
 * The internet checksum (RFC 1071) and its incremental form (RFC 1624). Sums are unfolded numbers
 * of big-endian 16-bit words; at most 64 KiB are added, so a sum stays below 2^32.
 */

/** Adds `length` bytes from `at` to `sum`; an odd last byte counts as the high half of a word. */
export function checksumAdd(sum: number, view: DataView, at: number, length: number): number {
  const whole = at + (length & ~3);
  let total = sum;
  let i = at;
  for (; i < whole; i += 4) {
    const word = view.getUint32(i);
    total += (word >>> 16) + (word & 0xffff);
  }
  if ((length & 2) !== 0) {
    total += view.getUint16(i);
    i += 2;
  }
  if ((length & 1) !== 0) total += view.getUint8(i) << 8;
  return total;
}

/** Folds the carries of a sum into 16 bits. */
export function checksumFold(sum: number): number {
  let folded = (sum & 0xffff) + Math.floor(sum / 0x10000);
  folded = (folded & 0xffff) + (folded >>> 16);
  return (folded & 0xffff) + (folded >>> 16);
}

/** The checksum that belongs into a header whose checksum field was zero while adding. */
export function checksumFinish(sum: number): number {
  return ~checksumFold(sum) & 0xffff;
}

/** True when the bytes, checksum field included, add up (RFC 1071, section 1). */
export function checksumHolds(sum: number): boolean {
  return checksumFold(sum) === 0xffff;
}

/** The checksum after one 16-bit word changed from `before` to `after` (RFC 1624, equation 3). */
export function checksumUpdate(checksum: number, before: number, after: number): number {
  return checksumFinish((~checksum & 0xffff) + (~before & 0xffff) + after);
}

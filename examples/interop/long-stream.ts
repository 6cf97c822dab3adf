/**
 * More bytes than there are sequence numbers over one connection to the kernel, each way in turn
 * (threats Q02, "once for real"). Each side hashes what it sends and what it gets, block by block;
 * each block has its number in front, so that none can stand for another.
 */
import { createHash, type Hash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { SocketError } from "../../host/errors.ts";
import { SHUT_WR, SO_RCVBUF, SO_SNDBUF, SOL_SOCKET } from "../../host/libtoe/constants.ts";
import type { LibToe } from "../../host/libtoe/libtoe.ts";
import { KERNEL, type Site } from "./site.ts";

const PORT = 7002;
const BUFFER = 512 * 1024;
/** No power of two: a block never begins at the same place of a buffer. */
const BLOCK = 262_139;
/** Slower than this is a failure: 1.5 MB/s each way, on the slowest machine that CI has. */
const BYTES_PER_MS = 1500;
const SETUP_MS = 20_000;

interface Sum {
  bytes: number;
  readonly hash: Hash;
}

const newSum = (): Sum => ({ bytes: 0, hash: createHash("sha256") });

/** How long a stream of so many bytes may take, ms. */
export function longStreamLimit(bytes: number): number {
  return SETUP_MS + Math.ceil((2 * bytes) / BYTES_PER_MS);
}

/** The stream's blocks; one object, which each step changes. */
function* blocks(bytes: number, sum: Sum): Generator<Uint8Array> {
  const block = randomBytes(BLOCK);
  for (let number = 0; sum.bytes < bytes; number += 1) {
    block.writeDoubleLE(number, 0);
    const part = block.subarray(0, Math.min(BLOCK, bytes - sum.bytes));
    sum.hash.update(part);
    sum.bytes += part.length;
    yield part;
  }
}

function take(sum: Sum, bytes: Uint8Array): void {
  sum.hash.update(bytes);
  sum.bytes += bytes.length;
}

/** The kernel's side: takes all, up to the FIN, then sends as much. */
async function kernelSide(server: Server, bytes: number): Promise<[got: Sum, sent: Sum]> {
  const [socket] = (await once(server, "connection")) as [Socket];
  const [got, sent] = [newSum(), newSum()];
  socket.on("data", (chunk: Uint8Array) => take(got, chunk));
  await once(socket, "end");
  for (const part of blocks(bytes, sent)) {
    // The block changes when the next is made.
    if (!socket.write(Buffer.from(part))) await once(socket, "drain");
  }
  socket.end();
  return [got, sent];
}

function checked(syscall: string, result: number): number {
  if (result < 0) throw new SocketError(syscall, result);
  return result;
}

async function stackSide(
  toe: LibToe,
  bytes: number,
  signal: AbortSignal,
): Promise<[sent: Sum, got: Sum]> {
  const [sent, got] = [newSum(), newSum()];
  const fd = checked("socket", toe.socket());
  try {
    for (const option of [SO_RCVBUF, SO_SNDBUF]) toe.setsockopt(fd, SOL_SOCKET, option, BUFFER);
    await toe.connectAsync(fd, { address: KERNEL, port: PORT }, { signal });
    for (const part of blocks(bytes, sent)) {
      for (let at = 0; at < part.length; ) {
        at += await toe.sendAsync(fd, part, at, part.length - at, { signal });
      }
    }
    checked("shutdown", toe.shutdown(fd, SHUT_WR));
    const block = new Uint8Array(BUFFER);
    for (;;) {
      const count = await toe.recvAsync(fd, block, 0, block.length, { signal });
      if (count === 0) return [sent, got];
      take(got, block.subarray(0, count));
    }
  } finally {
    toe.close(fd);
  }
}

/** Throws Error unless all `bytes` arrived as they were sent; answers the digest, shortened. */
function same(what: string, sent: Sum, got: Sum, bytes: number): string {
  const [wanted, found] = [sent.hash.digest("hex"), got.hash.digest("hex")];
  if (wanted !== found || sent.bytes !== bytes || got.bytes !== bytes) {
    throw new Error(
      `${what}: expected ${bytes} B ${wanted}, got ${got.bytes} B ${found} of ${sent.bytes}`,
    );
  }
  return `${what} ${wanted.slice(0, 12)}`;
}

export async function longStream(site: Site, bytes: number): Promise<string> {
  const server = createServer({ allowHalfOpen: true });
  server.listen(PORT, KERNEL);
  await once(server, "listening");
  const start = performance.now();
  try {
    const signal = AbortSignal.timeout(longStreamLimit(bytes));
    const [kernel, stack] = await Promise.all([
      kernelSide(server, bytes),
      stackSide(site.stack.toe, bytes, signal),
    ]);
    const out = same("out", stack[0], kernel[0], bytes);
    const back = same("back", kernel[1], stack[1], bytes);
    const speed = (2 * bytes * 8) / (performance.now() - start) / 1e3;
    return `${bytes} B each way, ${speed.toFixed(0)} Mbit/s, sha256 ${out}, ${back}`;
  } finally {
    server.close();
  }
}

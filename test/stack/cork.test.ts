/**
 * TCP_CORK holds back what is no full segment. Found by the simulator: where the transmit buffer is
 * smaller than a segment nothing was ever full, and neither side could go on.
 */
import { expect, test } from "vitest";
import { ERRNO } from "../../host/errors.ts";
import * as C from "../../host/libtoe/constants.ts";
import { SECOND, WorldPair } from "./world-pair.ts";

const PORT = 80;
const BUFFER = 8192;

function corkedPair(): { pair: WorldPair; client: number; server: number } {
  const pair = new WorldPair({ link: { mtu: 9000 }, layout: { frameBytes: 9014 } });
  const listener = pair.listen(PORT);
  const fd = pair.clientToe.socket();
  const { clientToe } = pair;
  expect(clientToe.setsockopt(fd, C.SOL_SOCKET, C.SO_SNDBUF, BUFFER)).toBe(0);
  expect(clientToe.setsockopt(fd, C.IPPROTO_TCP, C.TCP_CORK, 1)).toBe(0);
  const client = pair.connect(PORT, fd);
  return { pair, client, server: pair.accept(listener) };
}

test("TCP_CORK: a transmit buffer below a segment goes when it is full, not before", () => {
  const { pair, client, server } = corkedPair();
  const bytes = new Uint8Array(65536);
  expect(pair.clientToe.send(client, bytes, 0, BUFFER - 1)).toBe(BUFFER - 1);
  pair.pass(SECOND);
  expect(pair.serverToe.recv(server, bytes)).toBe(-ERRNO.EAGAIN);
  expect(pair.clientToe.send(client, bytes)).toBe(1);
  expect(pair.clientToe.send(client, bytes)).toBe(-ERRNO.EAGAIN);
  pair.pass(SECOND);
  expect(pair.serverToe.recv(server, bytes)).toBe(BUFFER);
  expect(pair.clientToe.send(client, bytes)).toBe(BUFFER);
});

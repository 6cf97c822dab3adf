/**
 * A toeloop client on a TUN device: fetches a file from a server on the kernel's side and writes
 * it to standard output. As root, after a build, with any HTTP server on 10.99.0.1 (nginx, or
 * `python3 -m http.server 80`):
 *
 *   node dist/examples/http-client-tun.js /README.md > copy.md
 */
import { httpGet } from "./http.ts";
import { openTunHost } from "./tun-host.ts";

const path = process.argv[2] ?? "/";
const host = await openTunHost();
try {
  const server = { address: "10.99.0.1", port: 80 };
  const { status, body } = await httpGet(host.stack.toe, server, path, {
    buffer: 512 * 1024,
    signal: AbortSignal.timeout(30_000),
  });
  process.stdout.write(body);
  console.error(`${status}, ${body.length} bytes`);
  process.exitCode = status === 200 ? 0 : 1;
} finally {
  host.close();
}

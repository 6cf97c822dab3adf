/**
 * A toeloop HTTP/1.1 server on a TUN device, for the kernel's curl. It serves the files of a
 * folder (default: the present one) at http://10.99.0.2/ until Ctrl-C. As root, after a build:
 *
 *   node dist/examples/http-server-tun.js ./some/folder &
 *   curl -O http://10.99.0.2/README.md
 */
import { readFile } from "node:fs/promises";
import { join, normalize, resolve } from "node:path";
import { type HttpResponse, HttpServer } from "./http.ts";
import { openTunHost } from "./tun-host.ts";

const folder = resolve(process.argv[2] ?? ".");

/** normalize() of an absolute path cannot climb out of it. */
async function serveFile(path: string): Promise<HttpResponse> {
  const name = normalize(decodeURIComponent(path.split("?")[0] as string));
  try {
    return { status: 200, body: await readFile(join(folder, name)) };
  } catch {
    return { status: 404, body: new TextEncoder().encode(`no file ${name}\n`) };
  }
}

const host = await openTunHost();
const server = new HttpServer(host.stack.toe, serveFile);
server.start(80, { buffer: 512 * 1024 });
console.log(`serving ${folder} at http://10.99.0.2/`);
process.once("SIGINT", () => {
  server.close();
  host.close();
});

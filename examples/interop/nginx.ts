/** nginx on the kernel's end of the device, serving one folder; all its files are in another. */
import { mkdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Background } from "./programs.ts";

const START_MS = 5000;

function configuration(address: string, files: string, state: string): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  return [
    "daemon off; master_process off; user root;",
    `pid ${join(state, "nginx.pid")}; error_log ${join(state, "nginx.log")};`,
    "events { worker_connections 1024; }",
    "http {",
    "  access_log off;",
    ...temporary.map((name) => `  ${name}_temp_path ${join(state, name)};`),
    `  server { listen ${address}:80 backlog=1024; root ${files}; }`,
    "}",
    "",
  ].join("\n");
}

function answers(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(80, address);
    const settle = (result: boolean) => (): void => {
      socket.destroy();
      resolve(result);
    };
    socket.once("connect", settle(true));
    socket.once("error", settle(false));
  });
}

/** Starts nginx and waits until it accepts; rejects with Error when it does not in 5 s. */
export async function startNginx(
  address: string,
  files: string,
  state: string,
): Promise<Background> {
  mkdirSync(state, { recursive: true });
  const file = join(state, "nginx.conf");
  writeFileSync(file, configuration(address, files, state));
  const errors = join(state, "nginx.log");
  const nginx = new Background("nginx", ["-e", errors, "-p", state, "-c", file]);
  for (let waited = 0; waited < START_MS && nginx.running; waited += 50) {
    if (await answers(address)) return nginx;
    await sleep(50);
  }
  await nginx.stop();
  throw new Error(`nginx: expected it to listen on ${address}:80, got nothing; see ${errors}`);
}

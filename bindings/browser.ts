/**
 * The platform pieces of a browser: pages and workers, in a secure context (crypto.subtle). See
 * platform.ts. Web crypto has no incremental SHA-256, so sha256() keeps what it is given.
 */
import { startClock } from "./clock.ts";
import { compileEmbeddedCore } from "./embedded-core.ts";
import type { Platform } from "./platform.ts";
import { type StartedWorkers, startThreads, withoutThreads } from "./start-workers.ts";
import type { WorkersChoice } from "./start-workers.ts";
import { webSpawner } from "./web-workers.ts";

export type { Hasher, Platform } from "./platform.ts";
export type { StartedWorkers, WorkersChoice } from "./start-workers.ts";

/** The most that getRandomValues() fills in one call. */
const ENTROPY_BYTES_MAX = 65_536;

const deferred: (() => void)[] = [];
let channel: MessageChannel | undefined;

/** A message is a task of its own, without setTimeout's 4 ms once timers nest. */
function defer(callback: () => void): void {
  deferred.push(callback);
  if (channel === undefined) {
    channel = new MessageChannel();
    channel.port1.onmessage = () => deferred.shift()?.();
  }
  channel.port2.postMessage(0);
}

/** Where memory may be shared: a page served with COOP and COEP, and its workers. */
async function startWorkers(choice: WorkersChoice = {}): Promise<StartedWorkers> {
  if (crossOriginIsolated) {
    // Only a page's main thread has a document; it may not block.
    const mayBlock = typeof document === "undefined";
    return startThreads({ spawn: webSpawner(), mayBlock }, choice);
  }
  const headers = "Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy";
  const reason = `expected a page with ${headers}: require-corp, got one that is not isolated`;
  const started = await withoutThreads(reason, choice);
  console.warn(started.message);
  return started;
}

export const platform: Platform = {
  name: "browser",
  now: startClock(performance),
  entropy: (bytes) => {
    for (let at = 0; at < bytes.length; at += ENTROPY_BYTES_MAX) {
      const part = new Uint8Array(Math.min(ENTROPY_BYTES_MAX, bytes.length - at));
      bytes.set(crypto.getRandomValues(part), at);
    }
  },
  setTimer: (ms, callback) => {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
  defer,
  soon: (callback) => queueMicrotask(callback),
  turn: () => new Promise((resolve) => defer(resolve)),
  sha256: () => {
    const parts: Uint8Array<ArrayBuffer>[] = [];
    return {
      update: (bytes) => void parts.push(bytes.slice()),
      digestHex: async () => {
        const whole = await new Blob(parts).arrayBuffer();
        const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", whole));
        return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
      },
    };
  },
  loadCore: compileEmbeddedCore,
  startWorkers,
};

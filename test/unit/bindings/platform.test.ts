/**
 * Goal: the platform files give the same things. Method: all three under Node, whose globals
 * include those of a browser; the runtimes' own runs are in the tests that start them.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { platform as browser } from "../../../bindings/browser.ts";
import { platform as deno } from "../../../bindings/deno.ts";
import { platform as node } from "../../../bindings/node.ts";

for (const platform of [node, deno, browser]) {
  test(`${platform.name}: the clock is whole ns and never falls`, async () => {
    let last = platform.now();
    // Never among the numbers that an engine holds in another form.
    expect(last).toBeGreaterThan(2 ** 31);
    for (let i = 0; i < 1000; i += 1) {
      const now = platform.now();
      expect(Number.isSafeInteger(now) && now >= last).toBe(true);
      last = now;
    }
    await new Promise<void>((resolve) => platform.setTimer(20, resolve));
    // Timers may be a little early by the clock, which counts finer than they do.
    expect(platform.now() - last).toBeGreaterThan(15e6);
  });

  test(`${platform.name}: entropy fills any length`, () => {
    for (const length of [0, 1, 16, 65_536, 70_000]) {
      const bytes = new Uint8Array(length + 8);
      platform.entropy(bytes.subarray(4, 4 + length));
      expect([...bytes.subarray(0, 4), ...bytes.subarray(4 + length)]).toEqual(Array(8).fill(0));
      const tail = bytes.subarray(4 + Math.max(0, length - 4000), 4 + length);
      if (length > 1000) expect(new Set(tail).size).toBe(256);
    }
  });

  test(`${platform.name}: sha256 of parts is that of the whole`, async () => {
    for (const parts of [[], [1], [64, 0, 1], [100_000, 3]]) {
      const hasher = platform.sha256();
      const whole = createHash("sha256");
      for (const [i, length] of parts.entries()) {
        const bytes = new Uint8Array(length).fill(i + 1);
        hasher.update(bytes);
        whole.update(bytes);
        bytes.fill(0);
      }
      expect(await hasher.digestHex()).toBe(whole.digest("hex"));
    }
  });

  test(`${platform.name}: cancelled timers do not run, deferred calls run in order`, async () => {
    const log: string[] = [];
    platform.setTimer(1, () => log.push("never"))();
    platform.defer(() => log.push("first"));
    platform.defer(() => log.push("second"));
    await platform.turn();
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(log).toEqual(["first", "second"]);
  });

  test(`${platform.name}: turn() lets timers through`, async () => {
    let fired = false;
    platform.setTimer(2, () => {
      fired = true;
    });
    const end = platform.now() + 2e9;
    while (!fired && platform.now() < end) await platform.turn();
    expect(fired).toBe(true);
  });
}

const built = existsSync(new URL("../../../bindings/wasm-bytes.ts", import.meta.url));
test("loadCore() compiles the embedded data path", async () => {
  expect(built, "bindings/wasm-bytes.ts is made by the build").toBe(true);
  for (const platform of [node, deno, browser]) {
    const module = await platform.loadCore();
    expect(WebAssembly.Module.exports(module).length).toBeGreaterThan(0);
  }
});

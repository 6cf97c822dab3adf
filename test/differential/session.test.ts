/**
 * toeloop's side of npm run differential: a script over one stack in virtual time gives the trace
 * that RFC 9293 asks for, the same one each time, and one line of a script less is another trace.
 */
import { expect, test } from "vitest";
import { loadModule } from "../support/load-core.ts";
import { align, differences } from "./compare.ts";
import { endpointsOf, toeloopIsn } from "./places.ts";
import { chosenScripts } from "./registry.ts";
import { script, type Script } from "./script.ts";
import { type Line, runSession } from "./session.ts";
import { ToeloopSystem } from "./toeloop-system.ts";

async function trace(one: Script): Promise<readonly Line[]> {
  const ends = endpointsOf(0, one.name);
  return await runSession(one, new ToeloopSystem(loadModule(), ends, toeloopIsn(one.name)), ends);
}

const named = (name: string): Script => chosenScripts({ only: [name] })[0] as Script;

test("RFC 5961 4.2: a SYN in the window is challenged, and the trace says so", async () => {
  const lines = await trace(named("syn-challenged-in-window"));
  expect(lines.map(({ step, after, text }) => `${step} +${after} ${text}`)).toEqual([
    "0 +0 = 0",
    "1 +0 > S. 0:0(0) ack 1 <mss 1460>",
    "4 +0 = a socket",
    "5 +0 > . 1:1(0) ack 1",
    "7 +0 = 0",
  ]);
});

test("a drawn session is the same each time", async () => {
  const drawn = named("random-5");
  expect(differences(align(await trace(drawn), await trace(drawn)))).toEqual([]);
});

test("a timeout has its time", async () => {
  const lines = await trace(named("timeout-backoff"));
  const sent = lines.filter(({ text }) => text.startsWith("> P. 1:501"));
  expect(sent.map(({ after }) => Math.round(after))).toEqual([0, 210, 630]);
});

test("a call that the application does not know is refused", async () => {
  await expect(trace(script("odd", ["fly"]))).rejects.toThrow("expected a call, got fly");
  await expect(trace(script("odd", ["listen", "set wings 2"]))).rejects.toThrow("got wings");
});

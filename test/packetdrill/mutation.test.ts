/**
 * The interpreter, by mutation: every script passes, and every change of what one expects (flag,
 * sequence, ack, window, option, ECN, TTL, TOS, payload length, time, result, errno, what a call
 * gives back, assertion) makes it fail, at that line or behind it. All of the more than 10,000 are
 * tried, in half a minute, so that no expectation of a script is one that nobody has seen fail.
 */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parseScript, runScript } from "../../host/packetdrill/index.ts";
import { ROOT } from "../support/env.ts";
import { loadModule } from "../support/load-core.ts";
import { mutants } from "./mutate.ts";

const FOLDER = `${ROOT}test/packetdrill/`;
const scripts = readdirSync(FOLDER).filter((name) => name.endsWith(".pkt"));
const texts = new Map(scripts.map((name) => [name, readFileSync(FOLDER + name, "utf8")]));

describe("mutants of scripts", () => {
  let tried = 0;

  test.each(scripts)("%s: each one fails", (name) => {
    const text = texts.get(name) as string;
    const module = loadModule();
    expect(runScript(parseScript(name, text), { module })?.message).toBeUndefined();
    const alive = mutants(text).filter((mutant) => {
      tried += 1;
      const failure = runScript(parseScript(name, mutant.text), { module });
      return failure === undefined || failure.line < mutant.line;
    });
    expect(alive.map(({ line, what }) => `${name}:${line}: ${what}`)).toEqual([]);
  });

  test("the mutants are of every kind, thousands, and all tried", () => {
    const all = [...texts.values()].flatMap(mutants).map(({ what }) => what);
    expect(all.length).toBeGreaterThan(10_000);
    expect(tried).toBe(all.length);
    const kinds = ["time", "flag", "sequence", "ack", "win", "option", "ECN", "payload length"];
    for (const kind of [...kinds, "result", "errno", "return", "given", "assertion"]) {
      expect(all.filter((what) => what.startsWith(kind)).length, kind).toBeGreaterThan(5);
    }
    expect(all.filter((what) => what.startsWith("IP ")).length).toBe(6);
  });

  test("every line that expects something has one", () => {
    const expects = /^\S+ > |\) = |^\S* ?(%\{ ?)?assert /;
    // Results that name a descriptor.
    const named = / (socket|accept|epoll_create1)\(/;
    const bare = [...texts].flatMap(([name, text]) => {
      const lines = new Set(mutants(text).map(({ line }) => line));
      const wanted = text.split("\n").map((line, at) => ({ line, at: at + 1 }));
      return wanted
        .filter(({ line, at }) => expects.test(line) && !named.test(line) && !lines.has(at))
        .map(({ at }) => `${name}:${at}`);
    });
    expect(bare).toEqual([]);
  });
});

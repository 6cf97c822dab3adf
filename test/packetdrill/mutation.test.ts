/**
 * The interpreter, by mutation: every script passes, and every change of what one expects (flag,
 * sequence, ack, window, option, ECN, payload length, time, result, errno, assertion) makes it
 * fail, at that line or behind it. Of long scripts, whose lines are alike, it takes a sample;
 * `MUTANTS=all` takes all of the more than 5,000.
 */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parseScript, runScript } from "../../host/packetdrill/index.ts";
import { ROOT } from "../support/env.ts";
import { loadModule } from "../support/load-core.ts";
import { mutants } from "./mutate.ts";

const FOLDER = `${ROOT}test/packetdrill/`;
const SAMPLE = process.env.MUTANTS === "all" ? Number.POSITIVE_INFINITY : 50;
const scripts = readdirSync(FOLDER).filter((name) => name.endsWith(".pkt"));
const texts = new Map(scripts.map((name) => [name, readFileSync(FOLDER + name, "utf8")]));

describe("mutants of scripts", () => {
  test.each(scripts)("%s: each one fails", (name) => {
    const text = texts.get(name) as string;
    const module = loadModule();
    expect(runScript(parseScript(name, text), { module })?.message).toBeUndefined();
    const all = mutants(text);
    const stride = Math.ceil(all.length / SAMPLE);
    const tried = all.filter((_, at) => at % stride === 0);
    const alive = tried.filter((mutant) => {
      const failure = runScript(parseScript(name, mutant.text), { module });
      return failure === undefined || failure.line < mutant.line;
    });
    expect(alive.map(({ line, what }) => `${name}:${line}: ${what}`)).toEqual([]);
  });

  test("the mutants are of every kind, and thousands", () => {
    const all = [...texts.values()].flatMap(mutants).map(({ what }) => what);
    expect(all.length).toBeGreaterThan(5000);
    const kinds = ["time", "flag", "sequence", "ack", "win", "option", "ECN", "payload length"];
    for (const kind of [...kinds, "result", "errno", "return", "assertion"]) {
      expect(all.filter((what) => what.startsWith(kind)).length, kind).toBeGreaterThan(5);
    }
  });
});

/**
 * The command for Google's public scripts, on a checkout of our own making: what is compared with
 * the table, what is a difference, and that it skips by name without one. The table itself has a
 * row for each of the 177 scripts; the scripts are run by `npm run packetdrill -- --public`.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ROOT } from "../support/env.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { packetdrill } from "./command.ts";
import { compareOutcomes, readTable } from "./public-scripts.ts";

const SCRIPT = `\`../common/defaults.sh\`
0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+.1 < S 0:0(0) win 65535 <mss 1000>
+0 > S. 0:0(0) ack 1 <mss 1460>
+.1 < . 1:1(0) ack 1 win 65535
+0 accept(3, ..., ...) = 4
+0 write(4, ..., 2000) = 2000
+0 > P. 1:2001(2000) ack 1
\`${["", "tmp", "sysctl_restore_1.sh"].join("/")}\`
`;

function checkout(): string {
  const folder = temporaryFolder("public");
  const tcp = join(folder, "gtests/net/tcp");
  for (const name of ["a", "b"]) mkdirSync(join(tcp, name), { recursive: true });
  writeFileSync(join(tcp, "a/good.pkt"), SCRIPT);
  writeFileSync(join(tcp, "a/good-v4.pkt"), SCRIPT.replace("3, 1", "3, 2"));
  writeFileSync(join(tcp, "b/bad.pkt"), SCRIPT.replace("1:2001", "2:2002"));
  writeFileSync(join(tcp, "b/notes.txt"), "no script");
  return folder;
}

function row(name: string, v4: string, v6: string, reason = ""): string {
  return `| ${name} | ${v4} | ${v6} | ${reason}${reason === "" ? "" : " "}|`;
}

const RIGHT = [
  row("tcp/a/good", "pass", "pass"),
  row("tcp/a/good-v4", "pass", "-"),
  row("tcp/b/bad", "fail", "fail", "the numbers are wrong"),
];

function run(
  rows: readonly string[],
  words = ["--public"],
  folder: string | undefined = checkout(),
) {
  const table = join(temporaryFolder("table"), "README.md");
  writeFileSync(
    table,
    `# Table\n\n| script | IPv4 | IPv6 | why not |\n|---|---|---|---|\n${rows.join("\n")}\n`,
  );
  const lines: string[] = [];
  const log = (line: string): void => {
    lines.push(line);
  };
  const code = packetdrill(words, { log, error: log }, { checkout: folder, table });
  return { code, lines };
}

describe("npm run packetdrill -- --public", () => {
  test("as in the table", () => {
    expect(run(RIGHT)).toEqual({ code: 0, lines: ["3 passed, 2 failed, as in the table"] });
  });

  test("--verbose has the lines of failures", () => {
    const { code, lines } = run(RIGHT, ["--public", "--verbose"]);
    expect(code).toBe(0);
    expect(lines[0]).toMatch(/^IPv4: tcp\/b\/bad:10: outbound packet: sequence: expected 2, got 1/);
    expect(lines).toHaveLength(3);
  });

  test.each([
    [
      [row("tcp/a/good", "fail", "pass"), ...RIGHT.slice(1)],
      "tcp/a/good, IPv4: expected fail, got pass",
    ],
    [
      [...RIGHT.slice(0, 2), row("tcp/b/bad", "fail", "pass")],
      "tcp/b/bad, IPv6: expected pass, got fail",
    ],
    [
      [RIGHT[0], row("tcp/a/good-v4", "pass", "pass"), RIGHT[2]],
      "tcp/a/good-v4, IPv6: expected pass, got -",
    ],
    [RIGHT.slice(1), "tcp/a/good: expected a row in the table, got none"],
    [[...RIGHT, row("tcp/c/gone", "pass", "pass")], "tcp/c/gone: expected the script, got none"],
  ] as const)("a difference: %#", (rows, message) => {
    const { code, lines } = run(rows as readonly string[]);
    expect(code).toBe(1);
    expect(lines).toEqual([message, "3 passed, 2 failed, 1 differences"]);
  });

  test("without a checkout it is skipped by name", () => {
    const table = `${ROOT}test/packetdrill/README.md`;
    const lines: string[] = [];
    const log = (line: string): void => {
      lines.push(line);
    };
    const code = packetdrill(["--public"], { log, error: log }, { checkout: undefined, table });
    expect(code).toBe(0);
    expect(lines).toEqual(["skipped: PACKETDRILL_DIR names no checkout of google/packetdrill"]);
  });

  test("a folder that is none, and other words, are bad arguments", () => {
    const none = run(RIGHT, ["--public"], temporaryFolder("none"));
    expect([none.code, none.lines[0]]).toEqual([2, expect.stringContaining("expected gtests/net")]);
    expect(run(RIGHT, ["--public", "x.pkt"]).code).toBe(2);
  });
});

describe("the table in README.md", () => {
  const rows = readTable(readFileSync(`${ROOT}test/packetdrill/README.md`, "utf8"));

  test("has 177 scripts, each once, with a reason exactly where one fails", () => {
    expect(new Set(rows.map(({ name }) => name)).size).toBe(177);
    expect(rows).toHaveLength(177);
    const wrong = rows.filter(({ outcomes, reason }) => {
      return Object.values(outcomes).includes("fail") !== (reason !== "");
    });
    expect(wrong).toEqual([]);
  });

  test("is without differences to itself", () => {
    expect(compareOutcomes(rows, rows)).toEqual([]);
  });
});

/**
 * A stage program of one's own: reads, checks and runs counting-firewall.rmt over a few packets.
 * Runs after a build:
 *
 *   node dist/examples/rmt/counting-firewall.js
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { checkProgram } from "../../host/rmt/check-program.ts";
import { TOFINO2 } from "../../host/rmt/machines/tofino2.ts";
import { loadProgram, type MatchCode } from "../../host/rmt/program-machine.ts";

// dist/examples/rmt is three folders below the repository.
const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const FILE = "counting-firewall.rmt";
const text = readFileSync(join(ROOT, "examples/rmt", FILE), "utf8");
const laminar = new WebAssembly.Module(readFileSync(join(ROOT, "build/rmt.wasm")));

/** Match tables over the program's memory. */
function match(memory: WebAssembly.Memory): MatchCode {
  const table = new WebAssembly.Table({ initial: 1, element: "anyfunc" });
  const { exports } = new WebAssembly.Instance(laminar, { env: { memory, table } });
  return exports as unknown as MatchCode;
}

const firewall = loadProgram(FILE, text, TOFINO2, { match });
const { stages, latencyNs, statefulAlus } = checkProgram(FILE, firewall.program, TOFINO2);
console.log(`${stages} stages, ${latencyNs.toFixed(0)} ns, ${statefulAlus} stateful ALUs`);

// Rule 1: web, without end; rule 2: DNS, three packets. Nothing from 10.9.0.0/16.
firewall.rules("rules", [
  { key: [80], second: [443], gives: [1, 0xffffffff] },
  { key: [53], second: [53], gives: [2, 3] },
]);
firewall.rules("prefixes", [{ key: [0x0a090000], second: [0xffff0000], gives: [1] }]);

/** An IPv4 header and the ports behind it. */
function packet(source: string, protocol: number, port: number, bytes: number): Uint8Array {
  const packet = new Uint8Array(24);
  const view = new DataView(packet.buffer);
  view.setUint8(0, 0x45);
  view.setUint16(2, bytes);
  view.setUint8(9, protocol);
  packet.set(source.split(".").map(Number), 12);
  view.setUint16(22, port);
  return packet;
}

function judge(name: string, bytes: Uint8Array): void {
  if (!firewall.receive(bytes)) {
    console.log(`${name}: rejected by the parser`);
    return;
  }
  firewall.pass();
  const passed = firewall.result("verdict") === firewall.constant("PASS");
  console.log(`${name}: ${passed ? "passed" : "dropped"}`);
}

judge("web", packet("192.0.2.1", 6, 443, 1500));
judge("web from a blocked prefix", packet("10.9.1.1", 6, 443, 1500));
for (let i = 1; i <= 4; i += 1) judge(`dns ${i}`, packet("192.0.2.1", 17, 53, 60));
judge("telnet", packet("192.0.2.1", 6, 23, 40));
judge("icmp", packet("192.0.2.1", 1, 0, 84));
for (const rule of [1, 2]) {
  const [packets, bytes] = [firewall.read("packets", rule), firewall.read("bytes", rule)];
  console.log(`rule ${rule}: ${packets} packets, ${bytes} bytes`);
}

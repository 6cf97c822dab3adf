import { readFileSync } from "node:fs";
import { test } from "vitest";
import { runRpcs } from "../../bench/lab/modelled-rpc.ts";
import { percentile } from "../../bench/lab/statistics.ts";
import { countedModule } from "../../host/modelled/counted-core.ts";
import { NFP_4000 } from "../../host/modelled/machines/nfp-4000.ts";
import { TABLE_4_4_ROWS } from "../../host/modelled/placement.ts";
import { ROOT } from "../support/env.ts";
test("try", () => {
  const batch = new WebAssembly.Module(readFileSync(`${ROOT}build/flextoe.wasm`));
  const counted = countedModule(new Uint8Array(readFileSync(`${ROOT}build/flextoe.modelled.wasm`)));
  for (const bytes of [64, 256, 2048]) {
    const r = runRpcs({ modules: { batch, counted }, machine: NFP_4000, placement: TABLE_4_4_ROWS.flow_group_islands!, flows: 1,
      requestBytes: bytes, responseBytes: bytes, mss: 1448, inFlight: 1, clientNs: 6000, serverNs: 2000,
      hostCores: Infinity, warmUp: 50, rpcs: 300, seed: 1, jitter: 0.1 });
    console.log(bytes, (percentile(r.latencies, 0.5) / 1000).toFixed(1), "us ms");
  }
  for (const [name, placement] of Object.entries(TABLE_4_4_ROWS)) {
    const t = performance.now();
    const r = runRpcs({ modules: { batch, counted }, machine: NFP_4000, placement, flows: 64,
      requestBytes: 2048, responseBytes: 2048, mss: 1448, inFlight: 1, clientNs: 6000, serverNs: 2000,
      hostCores: Infinity, warmUp: 500, rpcs: 2000, seed: 1, jitter: 0.1 });
    console.log(name, r.megabits.toFixed(0), (percentile(r.latencies, 0.5) / 1000).toFixed(1), (percentile(r.latencies, 0.9999) / 1000).toFixed(1), JSON.stringify([...r.utilisation].map(([n,x])=>n+x.toFixed(2))), (performance.now() - t).toFixed(0), "ms");
    if (name === "intra_fpc_threads") console.log(r.costs.map((c) => `${c.name} ${c.executions} ${c.instructions.map((a) => a.map((x) => x.toFixed(0)).join("/")).join(" | ")} ${JSON.stringify(c.records)}`).join("\n"));
  }
}, 120000);

/**
 * `node dist/bench/trips.js TRIPS`: that many round trips over one connection, and nothing else:
 * what bench/instructions.sh runs under a simulator. Prints nothing.
 */
import { RpcRun } from "./rpc-side.ts";

const trips = Number(process.argv[2]);
if (!Number.isInteger(trips) || trips < 1) {
  console.error(`trips: expected a number of round trips, got ${process.argv[2]}`);
  process.exit(2);
}
new RpcRun(1).exchange(trips);

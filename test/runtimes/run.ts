/** `npm run arm64`: see arm64.ts. */
import { main } from "./arm64.ts";

process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error instanceof RangeError || error instanceof TypeError ? error.message : error);
  return 2;
});

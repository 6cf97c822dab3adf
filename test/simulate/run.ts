/** `npm run simulate`: see command.ts. */
import { main } from "./command.ts";

process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error instanceof RangeError || error instanceof TypeError ? error.message : error);
  return 2;
});

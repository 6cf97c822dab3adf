/** `npm run mutants`: see command.ts. */
import { main } from "./command.ts";

process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
  const isArgument = error instanceof RangeError || error instanceof TypeError;
  console.error(isArgument ? error.message : error);
  return 2;
});

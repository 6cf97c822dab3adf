/** `npm run model`: see command.ts. */
import { main } from "./command.ts";

try {
  process.exitCode = main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof RangeError || error instanceof TypeError ? error.message : error);
  process.exitCode = 2;
}

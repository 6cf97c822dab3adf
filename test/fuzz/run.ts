/** `npm run fuzz`: command.ts has its options. */
import { main } from "./command.ts";

process.exitCode = main(process.argv.slice(2), Date.now());

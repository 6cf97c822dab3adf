/** `npm run lab -- EXPERIMENT`: the program around bench/lab/command.ts. */
import { writeFileSync } from "node:fs";
import { main } from "./command.ts";

process.exitCode = await main(process.argv.slice(2), {
  print: (line) => console.log(line),
  write: (path, text) => writeFileSync(path, text),
  say: (line) => {
    if (process.stderr.isTTY) process.stderr.write(`${line}\n`);
  },
});

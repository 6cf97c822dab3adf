/** Entry of `npm run packetdrill`; see command.ts. */
import { packetdrill } from "./command.ts";

process.exitCode = packetdrill(process.argv.slice(2), {
  log: (line) => console.log(line),
  error: (line) => console.error(line),
});

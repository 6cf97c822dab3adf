/**
 * A script's commands in backquotes. A command is read, never run: sysctls are taken over
 * (sysctls.ts), what concerns a device or a cache that is not here is passed over by name, and all
 * others are refused with their line, because a script that assumes them would test something else.
 */
import { profile } from "../control-plane/profile.ts";
import { type CommandEvent, ScriptError } from "./script.ts";
import type { Report, Settings } from "./settings.ts";
import { setSysctl } from "./sysctls.ts";

const ASSIGNMENT = /^([\w./]+)=(?:"([^"]*)"|'([^']*)'|(\S*))$/;
/** Words of a command line; quotes hold blanks together. */
const WORD = /[^\s"']*(?:"[^"]*"|'[^']*')?[^\s"']*/g;

/**
 * What the public scripts' defaults.sh sets and the stack has: Linux's constants and these. It says
 * also that an idle connection keeps its window; here one begins with the restart window always.
 */
const DEFAULTS: Readonly<Record<string, string>> = {
  tcp_rmem: "4096 540000 15728640",
  tcp_wmem: "4096 262144 4194304",
  tcp_syn_retries: "5",
  tcp_congestion_control: "cubic",
};

/**
 * Of no effect here: no offload to switch off, no metrics to forget, nothing to put back; HyStart
 * is on.
 */
const PASSED_OVER = [
  /^(\S*\/)?ethtool -K \S+( (tso|gso) off)+$/,
  /^(\S*\/)?ip tcp_metrics flush all$/,
  /^echo 3 > \/sys\/module\/tcp_cubic\/parameters\/hystart_detect$/,
  /^\/tmp\/sysctl_restore_\S*\.sh$/,
];

function useDefaults(settings: Settings, fail: Report): void {
  settings.profile = profile("linux");
  for (const [name, value] of Object.entries(DEFAULTS)) setSysctl(settings, name, value, fail);
}

function runCommand(settings: Settings, command: string, fail: Report): void {
  if (PASSED_OVER.some((pattern) => pattern.test(command))) return;
  const words = (command.match(WORD) ?? []).filter((word) => word !== "");
  const [program = "", ...rest] = words;
  if (/(^|\/)defaults\.sh$/.test(program)) {
    useDefaults(settings, fail);
    return;
  }
  if (!/(^|\/)(sysctl|set_sysctls\.py)$/.test(program)) {
    fail(`expected sysctl, set_sysctls.py or defaults.sh in backquotes, got ${program}`);
  }
  for (const word of rest.filter((one) => !/^-[eqw]+$/.test(one))) {
    const found = ASSIGNMENT.exec(word);
    if (found === null) fail(`${program}: expected NAME=VALUE, got ${word}`);
    else setSysctl(settings, found[1] ?? "", found[2] ?? found[3] ?? found[4] ?? "", fail);
  }
}

/** Lines with their numbers, those that end in a backslash joined to the next. */
function commandLines(text: string): { text: string; line: number }[] {
  const found: { text: string; line: number }[] = [];
  let goesOn = false;
  text.split("\n").forEach((part, line) => {
    const content = part.replace(/#.*/, "").replace(/\\\s*$/, " ");
    const last = found.at(-1);
    if (goesOn && last !== undefined) last.text += content;
    else found.push({ text: content, line });
    goesOn = /\\\s*$/.test(part);
  });
  return found;
}

/** Reads the commands of one pair of backquotes into the settings. */
export function applyCommand(settings: Settings, file: string, event: CommandEvent): void {
  for (const { text, line } of commandLines(event.text)) {
    const fail: Report = (reason) => {
      throw new ScriptError(file, event.line + line, reason);
    };
    const commands = text.replace(/[0-9&]*>\s*\/dev\/null|[0-9]>&[0-9]/g, "").split(/&&|;/);
    for (const command of commands) {
      if (command.trim() !== "") runCommand(settings, command.trim(), fail);
    }
  }
}

/**
 * What a script's `--options` and its set-up commands ask for. A command is read, never run: those
 * that set a sysctl which the stack has (or already keeps) are taken over, all others are refused
 * with their line, because a script that assumes them would test something else.
 */
import { CongestionAlgorithm } from "../../bindings/abi/flow-state.ts";
import { parseAddress } from "../address.ts";
import { type Profile, profile } from "../control-plane/profile.ts";
import * as C from "../libtoe/constants.ts";
import { type CommandEvent, type Script, ScriptError, type ScriptOption } from "./script.ts";

/** An option that each new socket gets: setsockopt()'s level, name and value. */
export type SocketDefault = readonly [level: number, name: number, value: number];

export interface Settings {
  /** Dotted text. */
  localAddress: string;
  prefix: number;
  remoteAddress: string;
  gateway: string;
  /** Bytes. */
  mtu: number;
  /** How far an event may be off its time, ns. */
  tolerance: number;
  /** ns of a TSval's unit; 0: TSvals are names, and not compared. */
  stampTick: number;
  /** Several segments in order may stand for one of the script's, as packetdrill has it. */
  mergeSegments: boolean;
  profile: Profile;
  localSequence: number;
  remoteSequence: number;
  /** What `connect(3, ..., ...)` and `bind(3, ..., ...)` mean. */
  connectPort: number;
  bindPort: number;
  sockets: SocketDefault[];
}

const MICROSECOND = 1000;
/** IPv4 and TCP headers. */
const HEADERS = 40;

/** packetdrill's own defaults; the profile is RFC 9293's and not Linux's. */
function defaults(): Settings {
  return {
    localAddress: "192.168.0.1",
    prefix: 16,
    remoteAddress: "192.0.2.1",
    gateway: "192.168.0.2",
    mtu: 1500,
    tolerance: 4000 * MICROSECOND,
    stampTick: 0,
    mergeSegments: false,
    profile: profile("rfc"),
    localSequence: 0x1234_5678,
    remoteSequence: 0x0765_4321,
    connectPort: 8080,
    bindPort: 8080,
    sockets: [],
  };
}

type Report = (reason: string) => never;

function integer(text: string, low: number, high: number, fail: Report): number {
  const value = /^(0x[0-9a-fA-F]+|[0-9]+)$/.test(text) ? Number(text) : Number.NaN;
  if (value >= low && value <= high) return value;
  return fail(`expected an integer ${low}..${high}, got ${text}`);
}

function ipv4(text: string, fail: Report): string {
  if (parseAddress(text) !== undefined) return text;
  return fail(`expected an IPv4 address, got ${text}`);
}

function prefixOf(mask: string, fail: Report): number {
  const bytes = parseAddress(mask)?.subarray(12) ?? fail(`expected a netmask, got ${mask}`);
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  if (!/^1*0*$/.test(bits)) fail(`expected a netmask of ones and then zeros, got ${mask}`);
  return bits.replaceAll("0", "").length;
}

function named(text: string, fail: Report): Profile {
  try {
    return profile(text);
  } catch (error) {
    return fail((error as Error).message);
  }
}

type OptionRule = (settings: Settings, value: string, fail: Report) => void;

const OPTIONS: Readonly<Record<string, OptionRule>> = {
  tolerance_usecs: (s, value, fail) => {
    s.tolerance = integer(value, 0, 60e6, fail) * MICROSECOND;
  },
  tcp_ts_tick_usecs: (s, value, fail) => {
    s.stampTick = integer(value, 0, 1e6, fail) * MICROSECOND;
  },
  mss: (s, value, fail) => {
    s.mtu = integer(value, 88, 65535 - HEADERS, fail) + HEADERS;
  },
  mtu: (s, value, fail) => {
    s.mtu = integer(value, 128, 65535, fail);
  },
  local_ip: (s, value, fail) => {
    s.localAddress = ipv4(value, fail);
  },
  remote_ip: (s, value, fail) => {
    s.remoteAddress = ipv4(value, fail);
  },
  gateway_ip: (s, value, fail) => {
    s.gateway = ipv4(value, fail);
  },
  netmask_ip: (s, value, fail) => {
    s.prefix = prefixOf(value, fail);
  },
  connect_port: (s, value, fail) => {
    s.connectPort = integer(value, 1, 65535, fail);
  },
  bind_port: (s, value, fail) => {
    s.bindPort = integer(value, 1, 65535, fail);
  },
  ip_version: (_, value, fail) => {
    if (value !== "ipv4") fail(`expected ipv4 (the stack has no IPv6 yet), got ${value}`);
  },
  // packetdrill merges unless it is told --strict_segments; ours are strict unless told this.
  merge_segments: (s, value, fail) => {
    s.mergeSegments = integer(value, 0, 1, fail) === 1;
  },
  // Ours: ISNs, so that a script can stand at the end of the sequence space, and the profile.
  local_isn: (s, value, fail) => {
    s.localSequence = integer(value, 0, 0xffffffff, fail);
  },
  remote_isn: (s, value, fail) => {
    s.remoteSequence = integer(value, 0, 0xffffffff, fail);
  },
  profile: (s, value, fail) => {
    s.profile = named(value, fail);
  },
};

type SysctlRule = (settings: Settings, values: readonly number[], fail: Report) => void;

/** The stack always does it: a script may say so, and may not say otherwise. */
function always(value: number): SysctlRule {
  return (_, [got], fail) => {
    if (got !== value) fail(`expected ${value} (the stack has no switch for it), got ${got}`);
  };
}

function change(settings: Settings, values: Partial<Profile>): void {
  settings.profile = { ...settings.profile, ...values };
}

const ANY: SysctlRule = () => undefined;

/** Below net.ipv4. */
const SYSCTLS: Readonly<Record<string, SysctlRule>> = {
  tcp_timestamps: always(1),
  tcp_sack: always(1),
  tcp_window_scaling: always(1),
  tcp_abort_on_overflow: always(0),
  tcp_fastopen: always(0),
  tcp_ecn: (s, [value = 0], fail) => {
    if (value < 0 || value > 2) fail(`expected 0..2, got ${value}`);
    if (value === 0) fail("expected 1 or 2 (the stack always accepts ECN), got 0");
    change(s, { ecn: value === 1 });
  },
  tcp_syn_retries: (s, [value = 0]) => change(s, { synRetries: value }),
  tcp_synack_retries: (s, [value = 0]) => change(s, { synRetries: value }),
  tcp_fin_timeout: (s, [value = 0]) => {
    s.sockets.push([C.IPPROTO_TCP, C.TCP_LINGER2, value]);
  },
  tcp_keepalive_time: (s, [value = 0]) => {
    s.sockets.push([C.IPPROTO_TCP, C.TCP_KEEPIDLE, value]);
  },
  tcp_keepalive_intvl: (s, [value = 0]) => {
    s.sockets.push([C.IPPROTO_TCP, C.TCP_KEEPINTVL, value]);
  },
  tcp_keepalive_probes: (s, [value = 0]) => {
    s.sockets.push([C.IPPROTO_TCP, C.TCP_KEEPCNT, value]);
  },
  tcp_rmem: (s, [, value = 0]) => {
    s.sockets.push([C.SOL_SOCKET, C.SO_RCVBUF, value]);
  },
  tcp_wmem: (s, [, value = 0]) => {
    s.sockets.push([C.SOL_SOCKET, C.SO_SNDBUF, value]);
  },
  // Of no meaning to one connection, or to a stack without a cache of earlier ones.
  tcp_no_metrics_save: ANY,
  tcp_moderate_rcvbuf: ANY,
  tcp_mem: ANY,
};

const CONGESTION: Readonly<Record<string, CongestionAlgorithm>> = {
  reno: CongestionAlgorithm.NewReno,
  cubic: CongestionAlgorithm.Cubic,
  dctcp: CongestionAlgorithm.Dctcp,
};

function setCongestion(settings: Settings, name: string, fail: Report): void {
  const algorithm = Object.hasOwn(CONGESTION, name) ? CONGESTION[name] : undefined;
  if (algorithm === undefined) fail(`expected reno, cubic or dctcp, got ${name}`);
  else change(settings, { algorithm });
}

function setSysctl(settings: Settings, key: string, text: string, fail: Report): void {
  const name = key.replace(/^(\/proc\/sys\/)?net[./]ipv4[./]/, "");
  const failed: Report = (reason) => fail(`sysctl ${key}: ${reason}`);
  if (name === "tcp_congestion_control") {
    setCongestion(settings, text, failed);
    return;
  }
  const rule = Object.hasOwn(SYSCTLS, name) ? SYSCTLS[name] : undefined;
  if (rule === undefined) {
    const known = [...Object.keys(SYSCTLS), "tcp_congestion_control"].join(", ");
    failed(`not in the stack; known below net.ipv4: ${known}`);
  }
  const values = text.trim().split(/\s+/).map(Number);
  if (values.length === 0 || values.some((value) => !Number.isSafeInteger(value) || value < 0)) {
    failed(`expected integers, got ${JSON.stringify(text)}`);
  }
  rule?.(settings, values, failed);
}

const ASSIGNMENT = /^([\w./]+)=(?:"([^"]*)"|'([^']*)'|(\S*))$/;
/** Words of a command line; quotes hold blanks together. */
const WORD = /[^\s"']*(?:"[^"]*"|'[^']*')?[^\s"']*/g;

function runCommand(settings: Settings, command: string, fail: Report): void {
  const words = (command.match(WORD) ?? []).filter((word) => word !== "");
  const [program = "", ...rest] = words;
  // Google's scripts begin with it: Linux's own constants.
  if (/(^|\/)defaults\.sh$/.test(program)) {
    settings.profile = profile("linux");
    return;
  }
  if (!/(^|\/)(sysctl|set_sysctls\.py)$/.test(program)) {
    fail(`expected sysctl, set_sysctls.py or defaults.sh in backquotes, got ${program}`);
  }
  for (const word of rest.filter((one) => !/^-[qw]+$/.test(one))) {
    const found = ASSIGNMENT.exec(word);
    if (found === null) fail(`${program}: expected NAME=VALUE, got ${word}`);
    else setSysctl(settings, found[1] ?? "", found[2] ?? found[3] ?? found[4] ?? "", fail);
  }
}

/** Reads the commands of one pair of backquotes into the settings. */
export function applyCommand(settings: Settings, file: string, event: CommandEvent): void {
  const lines = event.text.split("\n");
  lines.forEach((text, index) => {
    const fail: Report = (reason) => {
      throw new ScriptError(file, event.line + index, reason);
    };
    const commands = text.replace(/#.*/, "").split(/&&|;/);
    for (const command of commands) {
      if (command.trim() !== "") runCommand(settings, command.trim(), fail);
    }
  });
}

function applyOption(settings: Settings, file: string, option: ScriptOption): void {
  const fail: Report = (reason) => {
    throw new ScriptError(file, option.line, `--${option.name}: ${reason}`);
  };
  const rule = Object.hasOwn(OPTIONS, option.name) ? OPTIONS[option.name] : undefined;
  if (rule === undefined) {
    const known = Object.keys(OPTIONS).map((name) => `--${name}`);
    fail(`expected one of ${known.join(" ")}`);
  }
  rule?.(settings, option.value, fail);
}

/**
 * The script's settings. `override` (option name -> value) replaces the script's options, as
 * packetdrill's command line does. Throws ScriptError with the line of what cannot be.
 */
export function settingsOf(
  script: Script,
  override: Readonly<Record<string, string>> = {},
): Settings {
  const settings = defaults();
  for (const option of script.options) applyOption(settings, script.file, option);
  for (const [name, value] of Object.entries(override)) {
    applyOption(settings, script.file, { line: 1, name, value });
  }
  // Behind the profile, of which they change single values.
  for (const command of script.setup) applyCommand(settings, script.file, command);
  return settings;
}

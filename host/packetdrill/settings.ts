/** What a script's `--options` ask for, and what its set-up commands (commands.ts) change. */
import { isIpv4, parseAddress } from "../address.ts";
import { type Profile, profile } from "../control-plane/profile.ts";
import { type Script, ScriptError, type ScriptOption } from "./script.ts";

/** An option that each new socket gets: setsockopt()'s level, name and value. */
export type SocketDefault = readonly [level: number, name: number, value: number];

export interface Settings {
  ipVersion: 4 | 6;
  /** Text; all of the IP version. */
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
  /**
   * Several segments in order may stand for one of the script's, as packetdrill has it; and PSH,
   * which a host with TSO sets by its bursts, is not looked at (RFC 9293, 3.9.1.2).
   */
  mergeSegments: boolean;
  profile: Profile;
  localSequence: number;
  remoteSequence: number;
  /** What `connect(3, ..., ...)` and `bind(3, ..., ...)` mean. */
  connectPort: number;
  bindPort: number;
  sockets: SocketDefault[];
  /** Bytes of a new socket's buffers, where a sysctl sets them. */
  receiveBuffer: number | undefined;
  receiveBufferMax: number | undefined;
  sendBuffer: number | undefined;
}

const MICROSECOND = 1000;
/** IP and TCP headers. */
const HEADERS = { 4: 40, 6: 60 } as const;

/** packetdrill's own addresses. */
const ADDRESSES = {
  4: {
    localAddress: "192.168.0.1",
    prefix: 16,
    remoteAddress: "192.0.2.1",
    gateway: "192.168.0.2",
  },
  6: {
    localAddress: "fd3d:fa7b:d17d::1",
    prefix: 48,
    remoteAddress: "2001:db8::1",
    gateway: "fd3d:fa7b:d17d:8888::1",
  },
} as const;

/** packetdrill's own defaults; the profile is RFC 9293's and not Linux's. */
function defaults(): Settings {
  return {
    ipVersion: 4,
    ...ADDRESSES[4],
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
    receiveBuffer: undefined,
    receiveBufferMax: undefined,
    sendBuffer: undefined,
  };
}

/** Throws: what is wrong with the line at hand. */
export type Report = (reason: string) => never;

function integer(text: string, low: number, high: number, fail: Report): number {
  const value = /^(0x[0-9a-fA-F]+|[0-9]+)$/.test(text) ? Number(text) : Number.NaN;
  if (value >= low && value <= high) return value;
  return fail(`expected an integer ${low}..${high}, got ${text}`);
}

/** An address of the version that `--ip_version` before it has chosen. */
function address(text: string, settings: Settings, fail: Report): string {
  const { ipVersion } = settings;
  const bytes = parseAddress(text);
  if (bytes !== undefined && isIpv4(bytes) === (ipVersion === 4)) return text;
  return fail(`expected an IPv${ipVersion} address, got ${text}`);
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
    const headers = HEADERS[s.ipVersion];
    s.mtu = integer(value, 88, 65535 - headers, fail) + headers;
  },
  mtu: (s, value, fail) => {
    s.mtu = integer(value, 128, 65535, fail);
  },
  local_ip: (s, value, fail) => {
    s.localAddress = address(value, s, fail);
  },
  remote_ip: (s, value, fail) => {
    s.remoteAddress = address(value, s, fail);
  },
  gateway_ip: (s, value, fail) => {
    s.gateway = address(value, s, fail);
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
  ip_version: (s, value, fail) => {
    if (value !== "ipv4" && value !== "ipv6") fail(`expected ipv4 or ipv6, got ${value}`);
    s.ipVersion = value === "ipv6" ? 6 : 4;
    Object.assign(s, ADDRESSES[s.ipVersion]);
  },
  // packetdrill merges unless it is told --strict_segments; ours are strict unless told this.
  merge_segments: (s, value, fail) => {
    s.mergeSegments = integer(value, 0, 1, fail) === 1;
  },
  strict_segments: (s, value, fail) => {
    if (integer(value, 0, 1, fail) === 1) s.mergeSegments = false;
  },
  // Of packetdrill's own sockets.
  send_omit_free: () => undefined,
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
  const replaced = Object.entries(override).map(([name, value]) => ({ line: 1, name, value }));
  const all = [...script.options, ...replaced];
  // Addresses and the MSS depend on the IP version, wherever it stands.
  const version = all.filter(({ name }) => name === "ip_version");
  const strict = all.filter(({ name }) => name === "strict_segments");
  const others = all.filter((one) => !version.includes(one) && !strict.includes(one));
  for (const option of [...version, ...others, ...strict])
    applyOption(settings, script.file, option);
  return settings;
}

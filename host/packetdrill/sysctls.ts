/**
 * Linux's sysctls below net.ipv4, as a script's set-up commands set them: those that the stack has
 * are taken over, those that say what it does anyway are compared, those without a meaning for it
 * are passed over by name, and all others are refused.
 */
import { CongestionAlgorithm } from "../../bindings/abi/flow-state.ts";
import type { Profile } from "../control-plane/profile.ts";
import * as C from "../libtoe/constants.ts";
import type { Report, Settings } from "./settings.ts";

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

function toggle(name: "timestamps" | "sack"): SysctlRule {
  return (s, [value = 0], fail) => {
    if (value > 1) fail(`expected 0 or 1, got ${value}`);
    change(s, { [name]: value === 1 });
  };
}

function socketOption(option: number): SysctlRule {
  return (s, [value = 0]) => {
    s.sockets.push([C.IPPROTO_TCP, option, value]);
  };
}

const ANY: SysctlRule = () => undefined;

const RULES: Readonly<Record<string, SysctlRule>> = {
  tcp_timestamps: toggle("timestamps"),
  tcp_sack: toggle("sack"),
  tcp_window_scaling: always(1),
  tcp_abort_on_overflow: always(0),
  tcp_fastopen: always(0),
  tcp_recovery: always(1),
  tcp_slow_start_after_idle: always(1),
  tcp_dsack: always(1),
  tcp_reordering: always(3),
  tcp_ecn: (s, [value = 0], fail) => {
    if (value > 2) fail(`expected 0..2, got ${value}`);
    if (value === 0) fail("expected 1 or 2 (the stack always accepts ECN), got 0");
    change(s, { ecn: value === 1 });
  },
  tcp_mtu_probing: (s, [value = 0], fail) => {
    if (value > 2) fail(`expected 0..2, got ${value}`);
    change(s, { mtuProbing: value });
  },
  tcp_syn_retries: (s, [value = 0]) => change(s, { synRetries: value }),
  tcp_synack_retries: (s, [value = 0]) => change(s, { synRetries: value }),
  tcp_fin_timeout: socketOption(C.TCP_LINGER2),
  tcp_keepalive_time: socketOption(C.TCP_KEEPIDLE),
  tcp_keepalive_intvl: socketOption(C.TCP_KEEPINTVL),
  tcp_keepalive_probes: socketOption(C.TCP_KEEPCNT),
  // Linux's receive memory is half overhead (tcp_adv_win_scale): the window is half of it.
  tcp_rmem: (s, [, value = 0, most = 0]) => {
    s.receiveBuffer = Math.ceil(value / 2);
    s.receiveBufferMax = Math.ceil(most / 2);
  },
  tcp_wmem: (s, [, value = 0]) => {
    s.sendBuffer = value;
  },
  // Of no meaning to one connection, or to a stack without a cache of earlier ones.
  tcp_no_metrics_save: ANY,
  tcp_moderate_rcvbuf: ANY,
  tcp_mem: ANY,
  tcp_syncookies: ANY,
  // How Linux gathers segments for TSO: here each leaves when it may, and a script's are merged.
  tcp_tso_win_divisor: ANY,
  tcp_min_tso_segs: ANY,
  // The default windows are not paced.
  tcp_pacing_ss_ratio: ANY,
  tcp_pacing_ca_ratio: ANY,
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

/** Takes over one sysctl; the key as sysctl(8) or as a path has it. */
export function setSysctl(settings: Settings, key: string, text: string, fail: Report): void {
  const name = key.replace(/^(\/proc\/sys\/)?net[./]ipv4[./]/, "");
  const failed: Report = (reason) => fail(`sysctl ${key}: ${reason}`);
  if (name === "tcp_congestion_control") {
    setCongestion(settings, text, failed);
    return;
  }
  const rule = Object.hasOwn(RULES, name) ? RULES[name] : undefined;
  if (rule === undefined) {
    const known = [...Object.keys(RULES), "tcp_congestion_control"].join(", ");
    failed(`not in the stack; known below net.ipv4: ${known}`);
  }
  const values = text.trim().split(/\s+/).map(Number);
  if (values.length === 0 || values.some((value) => !Number.isSafeInteger(value) || value < 0)) {
    failed(`expected integers, got ${JSON.stringify(text)}`);
  }
  rule?.(settings, values, failed);
}

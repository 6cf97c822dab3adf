/**
 * Profiles by name (day-one decision 18): the constants of bindings/abi/profile.ts as objects, in
 * nanoseconds. An option of a connection overrides a single value, never the profile.
 */
import * as P from "../../bindings/abi/profile.ts";
import type { CongestionAlgorithm } from "../../bindings/abi/flow-state.ts";

/** What a stack starts from. Times are nanoseconds, windows are segments. */
export interface Profile {
  readonly name: ProfileName;
  readonly rtoMin: number;
  readonly rtoMax: number;
  readonly rtoInitial: number;
  /** RFC 6298, 5.7: a SYN that timed out starts data transfer with at least this RTO. */
  readonly rtoAfterLostSyn: number;
  /** RTO = SRTT + max(4 RTTVAR, rtoMin), as Linux has it; else rtoMin is the least of all. */
  readonly rtoMinOnTop: boolean;
  /** Zero-window probes have a byte of new data (RFC 9293, 3.8.6.1); Linux's are empty. */
  readonly probeData: boolean;
  /** RFC 6928: segments in flight after the handshake. */
  readonly initialWindow: number;
  readonly synRetries: number;
  readonly delayedAck: number;
  /** Data segments per ACK; 1 acknowledges each. */
  readonly ackThreshold: number;
  /** Data segments at the start that are acknowledged at once (Linux's quick ACKs); at most 15. */
  readonly quickAcks: number;
  /** Out-of-order intervals kept. */
  readonly intervals: number;
  readonly algorithm: CongestionAlgorithm;
  readonly goBackN: boolean;
  /** Losses are found by time, the tail is probed (RFC 8985), instead of RFC 6675. */
  readonly rack: boolean;
  /** Without RACK the first duplicate ACK starts recovery (a DupThresh of 1), not the third. */
  readonly lossAtFirst: boolean;
  /** With SACK only an ACK with a new block is a duplicate (RFC 6675, 2); else plain ones too. */
  readonly duplicatesBySack: boolean;
  /** RFC 7323 3 and RFC 2018: offered and accepted, if the data path has them. */
  readonly timestamps: boolean;
  /**
   * Ticks of the peer's clock, at most 255, by which what arrives while there is a hole may be
   * older than TS.Recent. Strict PAWS (RFC 7323, 5.3) drops originals that come late behind a
   * retransmission; 2^31 bytes, from where an old duplicate would have to be, do not pass in it.
   */
  readonly stampSlack: number;
  readonly sack: boolean;
  /** True: our SYN asks for ECN. A peer's request is accepted in any case. */
  readonly ecn: boolean;
  /** RFC 8511: a mark reduces a window less than a loss does. Sender's side alone. */
  readonly abe: boolean;
  /**
   * ECT in a connection with ECN: 0 on new data alone (RFC 3168); 1, where it runs DCTCP, on SYN,
   * SYN-ACK and RST too (RFC 8257, 3.6); 2 on everything (4.1).
   */
  readonly ectControl: number;
  /** RFC 3465, 2.3: an ACK counts for so much in slow start, and no more. Linux has no bound. */
  readonly slowStartBound: boolean;
  /** What arrives after shutdown(SHUT_RD) can still be read, as on Linux; else it goes by. */
  readonly readsOn: boolean;
  /**
   * The reset for data after a close has the form of RFC 9293, 3.10.7.1, as Linux's has, without
   * ACK and where the peer expects our next byte; else it is <SND.NXT, RCV.NXT, RST|ACK>.
   */
  readonly refusesLateData: boolean;
  /**
   * A reset that answers a segment of no connection has TSval 0 and the segment's TSval (RFC 7323,
   * 5.2). Without: Linux holds TSval 0 against the TSval of a connection in TIME-WAIT and drops the
   * reset as too old, for ever, so that a tuple used again never opens.
   */
  readonly resetsStamped: boolean;
  /** PLPMTUD (RFC 4821): 0 never, 1 when segments vanish in a black hole, 2 from the start. */
  readonly mtuProbing: number;
  /**
   * DupAddrDetectTransmits (RFC 4862, 5.1): probes before an interface's IPv6 address is used, a
   * second each; an interface may say otherwise. `rfc` and `linux` 1; 0 elsewhere, where a stack
   * that was made now connects now.
   */
  readonly dadTransmits: number;
  /** 2 MSL. */
  readonly timeWait: number;
}

/** Names of all profiles. */
export const PROFILE_NAMES = [
  "internet",
  "rfc",
  "linux",
  "datacenter",
  "paper",
  "paper-sack",
] as const;

export type ProfileName = (typeof PROFILE_NAMES)[number];

/** RFC 6298, 2.5: a ceiling of at least 60 s. */
const RTO_MAX = 120e9;
/** RFC 6298, 5.7, in every profile: the first RTO of RFC 2988. */
const RTO_AFTER_LOST_SYN = 3e9;
const MICROSECOND = 1000;

function read(name: ProfileName): Profile {
  const constants = P as unknown as Readonly<Record<string, number>>;
  const prefix = name.toUpperCase().replace("-", "_");
  const value = (field: string): number => constants[`${prefix}_${field}`] as number;
  return {
    name,
    rtoMin: value("RTO_MIN") * MICROSECOND,
    rtoMax: RTO_MAX,
    rtoInitial: value("RTO_INITIAL") * MICROSECOND,
    rtoAfterLostSyn: RTO_AFTER_LOST_SYN,
    rtoMinOnTop: value("RTO_MIN_ON_TOP") !== 0,
    probeData: value("PROBE_DATA") !== 0,
    initialWindow: value("INITIAL_WINDOW"),
    synRetries: value("SYN_RETRIES"),
    delayedAck: value("DELAYED_ACK") * MICROSECOND,
    ackThreshold: value("ACK_THRESHOLD"),
    quickAcks: value("QUICK_ACKS"),
    intervals: value("INTERVALS"),
    algorithm: value("ALGORITHM"),
    goBackN: value("GO_BACK_N") !== 0,
    rack: value("RACK") !== 0,
    lossAtFirst: value("LOSS_AT_FIRST") !== 0,
    duplicatesBySack: value("DUPLICATES_BY_SACK") !== 0,
    timestamps: value("TIMESTAMPS") !== 0,
    stampSlack: value("STAMP_SLACK"),
    sack: value("SACK") !== 0,
    ecn: value("ECN") !== 0,
    abe: value("ABE") !== 0,
    ectControl: value("ECT_CONTROL"),
    slowStartBound: value("SLOW_START_BOUND") !== 0,
    readsOn: value("READS_ON") !== 0,
    refusesLateData: value("REFUSES_LATE_DATA") !== 0,
    resetsStamped: value("RESETS_STAMPED") !== 0,
    mtuProbing: value("MTU_PROBING"),
    dadTransmits: value("DAD_TRANSMITS"),
    timeWait: value("TIME_WAIT") * MICROSECOND,
  };
}

/** Every profile by its name. */
export const PROFILES: Readonly<Record<ProfileName, Profile>> = {
  internet: read("internet"),
  rfc: read("rfc"),
  linux: read("linux"),
  datacenter: read("datacenter"),
  paper: read("paper"),
  "paper-sack": read("paper-sack"),
};

/**
 * The profile of a name, to use or to change: `{ ...profileNamed("internet"), intervals: 1 }`.
 * Throws RangeError when there is none.
 */
export function profile(name: string): Profile {
  const known = PROFILE_NAMES.find((candidate) => candidate === name);
  if (known === undefined) {
    const names = PROFILE_NAMES.join("|");
    throw new RangeError(`profile: expected ${names}, got ${JSON.stringify(name)}`);
  }
  return PROFILES[known];
}

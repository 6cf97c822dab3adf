/**
 * The names that assertions may use: Linux's tcp_info by what the stack's TCP_INFO gives, in
 * Linux's units (segments, microseconds), and Linux's constants. A name that is not here is one
 * that the stack has no figure for.
 */
import { WINDOW_BYTES_MAX } from "../../bindings/abi/limits.ts";
import type { ConnectionInfo } from "../control-plane/interface.ts";

/** Linux's numbers of the states. */
const STATES: Readonly<Record<string, number>> = {
  ESTABLISHED: 1,
  "SYN-SENT": 2,
  "SYN-RECEIVED": 3,
  "FIN-WAIT-1": 4,
  "FIN-WAIT-2": 5,
  "TIME-WAIT": 6,
  CLOSED: 7,
  "CLOSE-WAIT": 8,
  "LAST-ACK": 9,
  LISTEN: 10,
  CLOSING: 11,
};

/** Linux's numbers of what a sender is at. */
const LOSS_STATES = { open: 0, disorder: 1, reduced: 2, recovery: 3, timeout: 4 } as const;

const CONSTANTS: Readonly<Record<string, number>> = {
  TCP_ESTABLISHED: 1,
  TCP_SYN_SENT: 2,
  TCP_SYN_RECV: 3,
  TCP_FIN_WAIT1: 4,
  TCP_FIN_WAIT2: 5,
  TCP_TIME_WAIT: 6,
  TCP_CLOSE: 7,
  TCP_CLOSE_WAIT: 8,
  TCP_LAST_ACK: 9,
  TCP_LISTEN: 10,
  TCP_CLOSING: 11,
  TCP_CA_Open: LOSS_STATES.open,
  TCP_CA_Disorder: LOSS_STATES.disorder,
  TCP_CA_CWR: LOSS_STATES.reduced,
  TCP_CA_Recovery: LOSS_STATES.recovery,
  TCP_CA_Loss: LOSS_STATES.timeout,
  TCPI_OPT_TIMESTAMPS: 1,
  TCPI_OPT_SACK: 2,
  TCPI_OPT_WSCALE: 4,
  TCPI_OPT_ECN: 8,
};

const MICROSECONDS = 1000;
/** Linux: no threshold yet; ours is the largest window. */
const SSTHRESH_INFINITE = 0x7fffffff;

/** undefined: not known of such a connection. */
type Figure = (info: ConnectionInfo) => number | undefined;

const segments = (bytes: number, mss: number): number => (mss > 0 ? Math.floor(bytes / mss) : 0);

/** A part of one counts. */
const inSegments = (bytes: number, mss: number): number => (mss > 0 ? Math.ceil(bytes / mss) : 0);

function options(info: ConnectionInfo): number {
  const scaled = info.peerScale > 0 || info.localScale > 0;
  return (info.timestamps ? 1 : 0) | (info.sack ? 2 : 0) | (scaled ? 4 : 0) | (info.ecn ? 8 : 0);
}

const FIGURES: Readonly<Record<string, Figure>> = {
  tcpi_state: ({ state }) => STATES[state] ?? 0,
  tcpi_options: options,
  tcpi_snd_wscale: ({ peerScale }) => peerScale,
  tcpi_rcv_wscale: ({ localScale }) => localScale,
  tcpi_snd_cwnd: ({ cwnd, mss }) => segments(cwnd, mss),
  tcpi_snd_ssthresh: ({ ssthresh, mss }) => {
    return ssthresh >= WINDOW_BYTES_MAX ? SSTHRESH_INFINITE : segments(ssthresh, mss);
  },
  tcpi_advmss: ({ announcedMss }) => announcedMss,
  // Of any segment: the stack keeps no time of the last one with data.
  tcpi_last_data_recv: ({ sinceReceive }) => Math.round(sinceReceive),
  tcpi_last_ack_recv: ({ sinceReceive }) => Math.round(sinceReceive),
  tcpi_snd_mss: ({ mss }) => mss,
  tcpi_ca_state: ({ lossState }) => LOSS_STATES[lossState],
  tcpi_sacked: ({ sacked, mss }) => inSegments(sacked, mss),
  // The scoreboard's: a connection without SACK has none.
  tcpi_lost: ({ lost, mss, sack }) => (sack ? inSegments(lost, mss) : undefined),
  tcpi_retrans: ({ sentAgain, mss, sack }) => (sack ? inSegments(sentAgain, mss) : undefined),
  tcpi_backoff: ({ backoff }) => backoff,
  tcpi_unacked: ({ txSent, mss }) => inSegments(txSent, mss),
  tcpi_rto: ({ rto }) => Math.round(rto * MICROSECONDS),
  tcpi_rtt: ({ srtt }) => Math.round(srtt * MICROSECONDS),
  tcpi_rttvar: ({ rttvar }) => Math.round(rttvar * MICROSECONDS),
  tcpi_min_rtt: ({ rttMin }) => Math.round(rttMin * MICROSECONDS),
  tcpi_total_retrans: ({ retransmits }) => retransmits,
  tcpi_segs_in: ({ segmentsIn }) => segmentsIn,
  tcpi_segs_out: ({ segmentsOut }) => segmentsOut,
  tcpi_bytes_acked: ({ bytesAcked }) => bytesAcked,
  tcpi_bytes_received: ({ bytesIn }) => bytesIn,
  tcpi_notsent_bytes: ({ txAvail }) => txAvail,
  tcpi_snd_wnd: ({ peerWindow }) => peerWindow,
  tcpi_rcv_space: ({ rxWindow }) => rxWindow,
};

/**
 * What Linux counts and the stack does not, so that it costs no segment anything: reordering met,
 * segments delivered, probes without an answer (a window's are known by the backoff), clocks.
 */
const UNCOUNTED: readonly string[] = [
  "tcpi_reordering",
  "tcpi_delivered",
  "tcpi_delivered_ce",
  "tcpi_probes",
  "tcpi_busy_time",
  "tcpi_rwnd_limited",
  "tcpi_sndbuf_limited",
];

/** Why there is no figure of a name. */
export function missingFigure(name: string): string {
  if (UNCOUNTED.includes(name)) return "the stack does not count it";
  const isKnown = Object.hasOwn(FIGURES, name);
  return isKnown ? "the stack counts it with SACK only" : "the stack has no such figure";
}

/** A name's value for a connection; undefined when there is none. */
export function figure(info: ConnectionInfo | undefined, name: string): number | undefined {
  if (Object.hasOwn(CONSTANTS, name)) return CONSTANTS[name];
  if (!Object.hasOwn(FIGURES, name)) return undefined;
  // As Linux says of a connection that is over.
  if (info === undefined) return name === "tcpi_state" ? STATES.CLOSED : 0;
  return FIGURES[name]?.(info);
}

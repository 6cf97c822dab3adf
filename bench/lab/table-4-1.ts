/**
 * `table-4.1`: the bits of our connection state beside those of the paper's, field by field and
 * partition by partition. Widths come out of bindings/abi; here is only which field stands for
 * which of the paper's, and why there are others. A field in neither list ends the run.
 */
import { anchors } from "./anchors.ts";
import type { Experiment, LabReport, LabRow, Plot } from "./experiment.ts";
import { RECORDS, stateRecords, type StateField, type StateRecord } from "./state-fields.ts";

/** The paper's fields, by their ids in figures.csv, and ours. */
const COUNTERPARTS: readonly (readonly [id: string, ours: readonly string[], note?: string])[] = [
  [
    "t4.1.pre.peer_mac",
    ["PRE_TEMPLATE"],
    "the whole link and IP header as a template, of which the peer's MAC is a part",
  ],
  ["t4.1.pre.peer_ip", ["PRE_REMOTE_ADDRESS"], "room for IPv6; IPv4 is mapped"],
  ["t4.1.pre.ports", ["PRE_PORTS"]],
  ["t4.1.pre.flow_group", ["PRE_GROUP"], "a whole byte"],
  [
    "t4.1.proto.rx_tx_pos",
    ["POST_RX_ORIGIN", "POST_TX_ORIGIN"],
    "a position is (seq - origin) & mask: constant, so it moved out of the protocol's line",
  ],
  ["t4.1.proto.tx_avail", ["PROTOCOL_TX_AVAIL"]],
  ["t4.1.proto.rx_avail", ["PROTOCOL_RX_AVAIL"]],
  [
    "t4.1.proto.remote_win",
    ["PROTOCOL_WINDOW_EDGE"],
    "window scaling needs 32 bits; kept as the right edge",
  ],
  ["t4.1.proto.tx_sent", ["PROTOCOL_TX_SENT"]],
  ["t4.1.proto.seq", ["PROTOCOL_TX_UNA"]],
  ["t4.1.proto.ack", ["PROTOCOL_RX_NEXT_SEQ"]],
  [
    "t4.1.proto.ooo_start_len",
    ["RECOVERY_INTERVALS", "RECOVERY_INTERVAL_COUNT", "RECOVERY_INTERVAL_LIMIT"],
    "up to 32 intervals, beyond four in a record of their own; profile `paper` uses one",
  ],
  ["t4.1.proto.dupack_cnt", ["PROTOCOL_DUP_ACKS"], "a whole byte"],
  ["t4.1.proto.next_ts", ["PROTOCOL_TS_RECENT"]],
  ["t4.1.post.opaque", ["POST_OPAQUE"]],
  ["t4.1.post.context", ["PRE_CONTEXT"], "in PRE, where descriptors are checked for their owner"],
  ["t4.1.post.rx_tx_base", ["POST_RX_LIST", "POST_TX_LIST"], "32-bit addresses of chunk lists"],
  [
    "t4.1.post.rx_tx_size",
    ["PROTOCOL_RX_SHIFT", "PROTOCOL_TX_SHIFT"],
    "log2 of the bytes; in PROTOCOL, which bounds the windows by them",
  ],
  ["t4.1.post.cnt_ackb_ecnb", ["POST_ACKED_BYTES", "POST_ECN_BYTES"]],
  ["t4.1.post.cnt_fretx", ["POST_FAST_RETRANSMITS"], "32 bits: it is never reset"],
  ["t4.1.post.rtt_est", ["RECOVERY_SRTT"], "nanoseconds"],
  ["t4.1.post.rate", ["SCHEDULER_INTERVAL"], "ns per byte, 24 fractional bits: any low rate"],
];

/** Fields that the paper's table does not have, by the reason for them. */
const ADDED: readonly (readonly [name: string, why: string, fields: readonly string[]])[] = [
  [
    "several addresses",
    "the paper's NIC has one address",
    ["PRE_LOCAL_ADDRESS", "PRE_FAMILY", "PRE_NETIF"],
  ],
  [
    "life of an entry",
    "a row is reused: late descriptors and events of its last owner must miss",
    ["PRE_GENERATION", "PRE_STATE", "PRE_HASH"],
  ],
  [
    "header template",
    "checksums are software here: sums of what does not change",
    [
      "PRE_HEADER_LENGTH",
      "PRE_LINK_LENGTH",
      "PRE_PSEUDO_SUM",
      "PRE_TEMPLATE_SUM",
      "PRE_IDENTIFICATION",
    ],
  ],
  [
    "window (RFC 9293, RFC 7323)",
    "scaling, silly-window avoidance, old window updates",
    [
      "PROTOCOL_RX_EDGE",
      "PROTOCOL_LAST_ACK_SENT",
      "PROTOCOL_WINDOW_MAX",
      "PROTOCOL_WL1",
      "PROTOCOL_PEER_SCALE",
      "PROTOCOL_LOCAL_SCALE",
    ],
  ],
  [
    "chunk lists",
    "buffers take memory when bytes need it",
    ["POST_RX_SLOTS", "POST_TX_SLOTS", "POST_RX_FIRST"],
  ],
  [
    "receive-buffer autotuning",
    "the paper's buffers have one size",
    ["RECOVERY_RX_LIMIT", "POST_TUNE_OFFSET", "POST_TUNE_TIME"],
  ],
  [
    "options and segments",
    "negotiated options, MSS, delayed ACKs, ECN echo, FIN",
    [
      "PROTOCOL_FLAGS",
      "PROTOCOL_MSS",
      "PROTOCOL_UNACKED",
      "PROTOCOL_ACK_THRESHOLD",
      "PROTOCOL_ECHO",
      "RECOVERY_CHALLENGES",
      "RECOVERY_DELAYED_ACK",
      "RECOVERY_FIN_SEQ",
    ],
  ],
  [
    "loss recovery",
    "NewReno, send logs (RFC 6675, 6937, 8985); ACKs beyond what go-back-N has sent again",
    [
      "PROTOCOL_TX_MAX",
      "RECOVERY_RECOVER",
      "RECOVERY_BACKOFF",
      "RECOVERY_LOG",
      "RECOVERY_MODE",
      "RECOVERY_WINDOW",
      "RECOVERY_RTO_DEADLINE",
      "RECOVERY_TIMER",
      "RECOVERY_PROBE",
      "RECOVERY_PROBE_END",
      "RECOVERY_PROBED",
      "RECOVERY_DOUBT",
      "RECOVERY_RACK",
      "RECOVERY_STAMP_SLACK",
      "RECOVERY_REORDER_MORE",
      "RECOVERY_REORDER_PERSIST",
      "RECOVERY_DSACK_ROUND",
      "RECOVERY_PRIOR_CWND",
      "RECOVERY_PRIOR_SSTHRESH",
      "RECOVERY_RETRANSMIT_TICK",
      "RECOVERY_PRR_DELIVERED",
      "RECOVERY_PRR_ALLOWED",
      "RECOVERY_PRR_FLIGHT",
    ],
  ],
  [
    "RTT and RTO (RFC 6298)",
    "the paper's timeouts are the control plane's, from rtt_est",
    [
      "RECOVERY_RTT_SEQ",
      "RECOVERY_RTT_TIMING",
      "RECOVERY_RTT_START",
      "RECOVERY_RTTVAR",
      "RECOVERY_RTO",
      "RECOVERY_RTT_MIN",
      "RECOVERY_RTT_NEXT",
      "RECOVERY_RTT_SINCE",
      "RECOVERY_LAST_SEND",
      "RECOVERY_RTO_MIN",
      "RECOVERY_RTO_MAX",
    ],
  ],
  [
    "congestion windows",
    "CUBIC, NewReno and DCTCP inline; the paper has rates of the control plane only",
    [
      "PROTOCOL_CWND",
      "RECOVERY_ALGORITHM",
      "RECOVERY_SSTHRESH",
      "RECOVERY_INITIAL_WINDOW",
      "RECOVERY_CONGESTION",
    ],
  ],
  [
    "merged notifications",
    "a full context queue delays and loses nothing",
    [
      "POST_PENDING_RX",
      "POST_PENDING_TX",
      "POST_PENDING_FLAGS",
      "POST_PENDING_NEXT",
      "POST_PENDING_QUEUED",
    ],
  ],
  [
    "statistics",
    "what TCP_INFO shows; keep-alive",
    [
      "POST_TS_OFFSET",
      "POST_LAST_RECEIVE",
      "POST_BYTES_IN",
      "POST_BYTES_ACKED",
      "POST_SEGMENTS_IN",
      "POST_SEGMENTS_OUT",
      "POST_RETRANSMITS",
      "POST_TIMEOUTS",
      "POST_OUT_OF_ORDER",
      "POST_DUP_ACKS",
    ],
  ],
  [
    "flow scheduler",
    "the paper keeps it in SCH, outside of its table",
    [
      "SCHEDULER_NEXT",
      "SCHEDULER_PREVIOUS",
      "SCHEDULER_DEADLINE",
      "SCHEDULER_FRACTION",
      "SCHEDULER_QUEUE",
      "SCHEDULER_CHARGED",
    ],
  ],
];

/** The paper's partitions, and our records of the same owner. */
const PARTITIONS = [
  { id: "t4.1.pre.bytes", name: "pre-processing", records: ["PRE"] },
  { id: "t4.1.proto.bytes", name: "protocol", records: ["PROTOCOL", "RECOVERY"] },
  { id: "t4.1.post.bytes", name: "post-processing", records: ["POST"] },
] as const;

/** Bits of named fields; each may be named once. Throws Error on a name that the abi has not. */
class Ledger {
  readonly #left: Map<string, StateField>;

  constructor(records: readonly StateRecord[]) {
    this.#left = new Map(records.flatMap(({ fields }) => fields).map((f) => [f.name, f]));
  }

  take(names: readonly string[]): number {
    return names.reduce((sum, name) => {
      const field = this.#left.get(name);
      if (field === undefined) throw new Error(`table-4.1: expected a field once, got ${name}`);
      this.#left.delete(name);
      return sum + field.bits;
    }, 0);
  }

  /** Throws Error with the fields that nobody took. */
  close(): void {
    const left = [...this.#left.keys()];
    if (left.length > 0) throw new Error(`table-4.1: expected a reason for ${left.join(", ")}`);
  }
}

function fieldRows(ledger: Ledger): LabRow[] {
  return COUNTERPARTS.map(([id, fields, note]) => ({
    name: id.slice("t4.1.".length),
    ours: ledger.take(fields),
    unit: "bits",
    origin: "counted",
    anchor: id,
    note: `${fields.join(", ")}${note === undefined ? "" : `: ${note}`}`,
  }));
}

function addedRows(ledger: Ledger): LabRow[] {
  return ADDED.map(([name, why, fields]) => ({
    name: `added: ${name}`,
    ours: ledger.take(fields),
    unit: "bits",
    origin: "counted",
    note: `${why}: ${fields.join(", ")}`,
  }));
}

function bytesOf(records: readonly StateRecord[], names: readonly string[]): number {
  return records.filter((r) => names.includes(r.name)).reduce((sum, r) => sum + r.bytes, 0);
}

function partitionRows(records: readonly StateRecord[], matched: number): LabRow[] {
  const owned = PARTITIONS.map(
    ({ id, name, records: names }): LabRow => ({
      name: `${name} partition`,
      ours: bytesOf(records, names),
      unit: "B",
      origin: "counted",
      anchor: id,
      note: names.join(" + "),
    }),
  );
  const used = records.flatMap((r) => r.fields).reduce((sum, f) => sum + f.bits, 0);
  const all = bytesOf(records, RECORDS);
  return [
    ...owned,
    {
      name: "total of the paper's fields",
      ours: matched / 8,
      unit: "B",
      origin: "counted",
      anchor: "t4.1.total.bytes",
      note: "only what has a counterpart, in our widths",
    },
    { name: "total", ours: all, unit: "B", origin: "counted", anchor: "t4.1.total.bytes" },
    { name: "padding within", ours: all - used / 8, unit: "B", origin: "counted" },
  ];
}

function plotOf(rows: readonly LabRow[]): Plot {
  const shown = rows.filter(({ unit, anchor }) => unit === "B" && anchor !== undefined);
  const paper = anchors();
  return {
    title: "Connection state by partition (Table 4.1)",
    x: { label: "", scale: "category" },
    y: { label: "bytes", scale: "linear" },
    series: [
      { name: "toeloop", form: "bars", points: shown.map(({ name, ours }) => [name, ours]) },
      {
        name: "paper",
        form: "bars",
        points: shown.map(({ name, anchor }) => [name, paper.get(anchor ?? "")?.value ?? 0]),
      },
    ],
  };
}

/** The report over given records. Throws Error on a field without a counterpart or a reason. */
export function compareStates(records: readonly StateRecord[]): LabReport {
  const ledger = new Ledger(records);
  const fields = fieldRows(ledger);
  const added = addedRows(ledger);
  ledger.close();
  const matched = fields.reduce((sum, { ours }) => sum + ours, 0);
  const rows = [...fields, ...added, ...partitionRows(records, matched)];
  return {
    rows,
    given: [],
    plots: [plotOf(rows)],
    notes: [
      "Nothing is calibrated or simulated: widths are read out of bindings/abi/flow-state.ts.",
      "The paper's 862 bits make 107.75 B, printed as 108.",
    ],
  };
}

export const TABLE_4_1: Experiment = {
  name: "table-4.1",
  title: "connection state partitions",
  section: "4.3.1, Table 4.1",
  run: () => compareStates(stateRecords()),
};

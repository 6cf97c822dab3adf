/**
 * Bugs as people write them, one line each, which the simulator or a test must notice (threats.md's
 * fourth harness). `what` says what is wrong afterwards. The simulator is asked first, over the
 * seeds of command.ts on `datapath`; `tests` are asked about what no frame and no table shows.
 */
import type { DataPath } from "../../bindings/layout.ts";
import type { Change } from "../support/repository-copy.ts";

export interface PlantedBug extends Change {
  /** Short and unique: `--id`. */
  readonly name: string;
  readonly what: string;
  /** flextoe unless said. */
  readonly datapath?: DataPath;
  /** Of the short form: the simulator's first seeds catch it. */
  readonly quick?: boolean;
  /** Test files that must notice when the simulator does not. */
  readonly tests?: readonly string[];
}

const WINDOW = "assembly/tcp/window.ts";
const STATE = "assembly/tcp/state.ts";
const RECEIVE_ACK = "assembly/tcp/receive-ack.ts";
const REASSEMBLY = "assembly/flextoe/protocol-reassembly.ts";
const INTERVALS = "assembly/tcp/ooo-interval.ts";
const ARRIVAL = "assembly/tcp/arrival.ts";
const TEARDOWN = "host/control-plane/teardown.ts";

/** What may be sent and announced. */
const WINDOWS: readonly PlantedBug[] = [
  {
    name: "send-window-off-by-one",
    what: "one byte more than window and congestion window allow",
    file: WINDOW,
    find: "window > sent ? window - sent : 0;",
    replace: "window >= sent ? window - sent + 1 : 0;",
    // No frame has it while windows are far from a segment's multiple less one.
    tests: ["test/unit/tcp/window.test.ts"],
  },
  {
    name: "segment-beyond-window",
    what: "a whole segment leaves when less than that fits",
    file: WINDOW,
    find: "if (bytes >= mss) return mss;",
    replace: "if (bytes != 0 && avail >= mss) return mss;",
  },
  {
    name: "congestion-window-ignored",
    quick: true,
    what: "only the peer's window bounds what is in flight",
    file: WINDOW,
    find: "const window = min<u32>(cwnd, edgeDistance);",
    replace: "const window = edgeDistance;",
  },
  {
    name: "window-ignored-after-timeout",
    what: "slow start after a timeout does not count what is in the network",
    file: "assembly/tcp/sack-recovery.ts",
    find: "return window > pipe ? window - pipe : 0;",
    replace: "return window > pipe ? window * 4 : 0;",
  },
  {
    name: "window-ignored-in-recovery",
    what: "a fast retransmit lets a whole window go for each ACK",
    file: "assembly/tcp/sack-recovery.ts",
    find: "return min(threshold - inNetwork, max(owed, delivered) + mss);",
    replace: "return threshold;",
  },
  {
    name: "right-edge-retreats",
    quick: true,
    what: "a window that is kept is not rounded up to the scale's unit",
    file: WINDOW,
    find: "const kept: u32 = seqAfter(edge, rxNext) ? seqDistance(rxNext, edge) : 0;",
    replace: "const kept: u32 = 0;",
  },
  {
    name: "receive-window-off-by-one",
    what: "a unit more is announced than the buffer has",
    file: WINDOW,
    find: "let field = avail >>> shift;",
    replace: "let field = (avail >>> shift) + 1;",
  },
  {
    name: "peer-scale-off-by-one",
    what: "the peer's window counts twice",
    file: RECEIVE_ACK,
    find: "const window = field << load<u8>(p, F.PROTOCOL_PEER_SCALE);",
    replace: "const window = field << (load<u8>(p, F.PROTOCOL_PEER_SCALE) + 1);",
  },
  {
    name: "options-not-in-segment-size",
    quick: true,
    what: "segments are larger than the MTU by the timestamps",
    file: "host/control-plane/install.ts",
    find: "return (has & R.ROW_HAS_TIMESTAMPS) === 0 ? bytes : bytes - 12;",
    replace: "return bytes;",
  },
];

/** Sequence numbers modulo 2^32. */
const WRAPS: readonly PlantedBug[] = [
  {
    name: "window-update-missing-wrap",
    what: "WL1 is compared as a number: no window update after the wrap",
    file: RECEIVE_ACK,
    find: "if (seqBefore(seq, load<u32>(p, F.PROTOCOL_WL1))) return;",
    replace: "if (seq < load<u32>(p, F.PROTOCOL_WL1)) return;",
  },
  {
    name: "trim-missing-wrap",
    what: "a segment is trimmed by numbers that are compared as such",
    file: REASSEMBLY,
    find: "const start = seqBefore(seq, next) ? next : seq;",
    replace: "const start = seq < next ? next : seq;",
  },
  {
    name: "interval-missing-wrap",
    what: "the end of an out-of-order interval is the larger number",
    file: INTERVALS,
    find: "if (seqAfter(endOf(interval), high)) high = endOf(interval);",
    replace: "if (endOf(interval) > high) high = endOf(interval);",
    // Bytes are forgotten and sent again: nothing that a receiver must not do.
    tests: ["test/rfc/sack-receiver.test.ts", "test/unit/flextoe/ooo-intervals.test.ts"],
  },
  {
    name: "opening-missing-wrap",
    what: "segments below the window of a connection that opens or is in TIME-WAIT are taken",
    file: "host/control-plane/sequence-check.ts",
    find: "const first = (segment.seq - next) >>> 0;",
    replace: "const first = segment.seq - next;",
    tests: ["test/rfc/states", "test/unit/control-plane/handshake.test.ts"],
  },
];

/** Bytes: checksums, copies, reassembly. */
const BYTES: readonly PlantedBug[] = [
  {
    name: "checksum-fold",
    quick: true,
    what: "one carry of the ones' complement sum is lost",
    file: "assembly/base/checksum.ts",
    find: "return (words + rotl<u32>(words, 16)) >>> 16;",
    replace: "return ((words & 0xffff) + (words >>> 16)) & 0xffff;",
  },
  {
    name: "checksum-odd-lane",
    what: "the sum of a chunk that starts on an odd byte is added as it is",
    file: "assembly/nic/dma.ts",
    find: "sum += (done & 1) != 0 ? swapSum(part) : part;",
    replace: "sum += part;",
  },
  {
    name: "overlap-offset",
    what: "bytes that have arrived before are taken for those behind them",
    file: REASSEMBLY,
    find: "store<u32>(work, seqDistance(seq, start), W.WORK_PLACEMENTS + W.PLACEMENT_OFFSET);",
    replace: "store<u32>(work, 0, W.WORK_PLACEMENTS + W.PLACEMENT_OFFSET);",
  },
  {
    name: "copy-one-byte-further",
    what: "the receiver's copy writes the byte behind a segment",
    file: "assembly/nic/dma.ts",
    find: "copyBytes(receiveAddress(core, post, shift, start), from, done);",
    replace: "copyBytes(receiveAddress(core, post, shift, start), from, done + 1);",
  },
  {
    name: "interval-merge-sign",
    what: "a merged interval starts at the later of two numbers",
    file: INTERVALS,
    find: "if (seqBefore(startOf(interval), low)) low = startOf(interval);",
    replace: "if (seqAfter(startOf(interval), low)) low = startOf(interval);",
    tests: ["test/rfc/sack-receiver.test.ts", "test/unit/flextoe/ooo-intervals.test.ts"],
  },
  {
    name: "fin-without-number",
    what: "the peer's FIN takes no sequence number",
    file: "assembly/tcp/end-of-stream.ts",
    find: "store<u32>(p, stands + 1, F.PROTOCOL_RX_NEXT_SEQ);",
    replace: "store<u32>(p, stands, F.PROTOCOL_RX_NEXT_SEQ);",
  },
];

/** Losses and times. */
const RECOVERY: readonly PlantedBug[] = [
  {
    name: "no-karn",
    what: "the ACK of a segment that was sent again is a sample of the round trip",
    file: "assembly/tcp/round-trip-time.ts",
    find: "export function rttAbandon(recovery: usize): void {\n  store<u8>(recovery, 0,",
    replace: "export function rttAbandon(recovery: usize): void {\n  store<u8>(recovery, 1,",
    tests: ["test/rfc/timer.test.ts", "test/rfc/retransmission.test.ts"],
  },
  {
    name: "sack-sign",
    what: "the length of a SACK block is taken backwards: no block says anything",
    file: "assembly/tcp/scoreboard.ts",
    find: "const span = seqDistance(start, end);\n    if",
    replace: "const span = seqDistance(end, start);\n    if",
    tests: ["test/rfc/sack-recovery.test.ts"],
  },
  {
    name: "sack-block-first",
    quick: true,
    what: "a SACK block begins one byte early",
    file: "assembly/nic/post-processing.ts",
    find: "store32be(at + 4 + i * 8, load<u32>(work + W.WORK_OUT_SACK + i * 8));",
    replace: "store32be(at + 4 + i * 8, load<u32>(work + W.WORK_OUT_SACK + i * 8) - 1);",
  },
  {
    name: "no-backoff",
    what: "the RTO does not double",
    file: "assembly/tcp/host-control.ts",
    find: "store<u8>(r, <u8>min(backoff + 1, 63), F.RECOVERY_BACKOFF);",
    replace: "store<u8>(r, <u8>min(backoff, 63), F.RECOVERY_BACKOFF);",
  },
  {
    name: "retransmission-off-by-one",
    quick: true,
    what: "what is sent again starts one byte late",
    file: "assembly/tcp/transmit.ts",
    find: "emit(core, work, connection, p, seq, length, fin);\n  if (logOf(r) != 0) {",
    replace: "emit(core, work, connection, p, seq + 1, length, fin);\n  if (logOf(r) != 0) {",
  },
  {
    name: "no-persist-timer",
    what: "nobody asks a closed window again",
    file: STATE,
    find: "setFlags(p, flags | F.FLOW_PERSIST);\n  restartRetransmit(core, connection, p);",
    replace: "",
  },
  {
    name: "no-delayed-ack-timer",
    what: "an ACK that is put off is never sent",
    file: STATE,
    find: "armTimer(core, connection, TimerKind.DelayedAck, load<u64>(core, CORE_NOW) + delay);",
    replace: "if (delay == 0) armTimer(core, connection, TimerKind.DelayedAck, 1);",
    // The peer's retransmission asks for it: slow, and no deadlock.
    tests: ["test/rfc/windows.test.ts"],
  },
  {
    name: "paws-sign",
    quick: true,
    what: "newer timestamps count as older ones",
    file: ARRIVAL,
    find: "return s != t && seqDistance(s, t) >>> 31 == 0;",
    replace: "return s != t && seqDistance(s, t) >>> 31 != 0;",
  },
];

/** Ends of connections, resets, rows. */
const CONNECTIONS: readonly PlantedBug[] = [
  {
    name: "time-wait-skipped",
    what: "FIN-WAIT-2 ends at the peer's FIN",
    file: "host/control-plane/connection-state.ts",
    find: "[ConnectionState.FinWait2, ConnectionEvent.ReceiveFin, ConnectionState.TimeWait],",
    replace: "[ConnectionState.FinWait2, ConnectionEvent.ReceiveFin, ConnectionState.Closed],",
    tests: ["test/rfc/closing.test.ts"],
  },
  {
    name: "time-wait-too-short",
    what: "TIME-WAIT lasts one MSL",
    file: TEARDOWN,
    find: "setOnlyDeadline(plane, id, plane.now + plane.profile.timeWait);",
    replace: "setOnlyDeadline(plane, id, plane.now + plane.profile.timeWait / 2);",
    tests: ["test/rfc/closing.test.ts", "test/unit/control-plane/teardown.test.ts"],
  },
  {
    name: "timer-generation",
    what: "commands and timers of a row's last user reach its next one",
    file: "assembly/nic/pre-processing.ts",
    find: "if (load<u32>(pre, PRE_GENERATION) != generation) {",
    replace: "if (load<u32>(pre, PRE_GENERATION) < generation) {",
    tests: ["test/threats/descriptor-rows.test.ts"],
  },
  {
    name: "timers-not-cancelled",
    what: "a connection's timers go on after it has left the data path",
    file: "assembly/nic/connection.ts",
    find: "cancelTimer(core, connection, TimerKind.Retransmit);",
    replace: "",
    tests: ["test/unit/flextoe/row-timers.test.ts"],
  },
  {
    name: "reset-answers-reset",
    what: "a RST is sent in reply to a RST",
    file: "host/control-plane/transmit.ts",
    find: "if ((segment.flags & TCP_RST) !== 0) return;\n  const isEthernet",
    replace: "const isEthernet",
  },
  {
    name: "blind-reset",
    what: "a RST anywhere in the window ends the connection",
    file: ARRIVAL,
    find: "if (seq == next) {",
    replace: "if (seqDistance(next, seq) <= window) {",
    tests: ["test/rfc/blind-attacks.test.ts"],
  },
  {
    name: "ack-of-the-future",
    what: "an ACK of what was never sent is believed",
    file: RECEIVE_ACK,
    find: "if (acked > load<u32>(p, F.PROTOCOL_TX_MAX)) {",
    replace: "if (acked > load<u32>(p, F.PROTOCOL_TX_MAX) + 100000) {",
    tests: ["test/rfc/states", "test/threats/sequence-rows.test.ts"],
  },
  {
    name: "chunks-leak",
    what: "what a window was promised is never given back",
    file: "assembly/flow/receive-buffer.ts",
    find: "unreserveChunks(core, total - detachAll(core, post, offset, total));",
    replace: "detachAll(core, post, offset, total);",
  },
  {
    name: "rows-leak",
    what: "rows of closed connections are not freed",
    file: TEARDOWN,
    find: "if (rows.has(id, R.ROW_IS_RELEASED)) rows.release(id);",
    replace: "if (rows.has(id, R.ROW_IS_RELEASED)) rows.lower(id, R.ROW_IS_RELEASED);",
  },
  {
    name: "half-open-count-leaks",
    what: "an established connection stays in its listener's count of half-open ones",
    file: "host/control-plane/handshake.ts",
    find: "plane.listeners.leave(listener);\n  replayRest(plane, id);",
    replace: "replayRest(plane, id);",
    tests: ["test/unit/control-plane/handshake.test.ts", "test/rfc/syn-cookies.test.ts"],
  },
  {
    name: "isn-number-skipped",
    what: "the ACK of a SYN is for one byte too many",
    file: "host/control-plane/negotiation.ts",
    find: "rows.set(id, R.ROW_RCV_NXT, (segment.seq + 1) >>> 0);",
    replace: "rows.set(id, R.ROW_RCV_NXT, (segment.seq + 2) >>> 0);",
  },
];

/** The machine around TCP, and Laminar's. */
const MACHINES: readonly PlantedBug[] = [
  {
    name: "sequencer-number-lost",
    what: "a reorder point is one number behind",
    file: "assembly/flextoe/sequencer.ts",
    find: "store<u32>(at, number + count, CORE_SEQUENCE_RELEASED);",
    replace: "store<u32>(at, number + count - 1, CORE_SEQUENCE_RELEASED);",
  },
  {
    name: "laminar-overlap-offset",
    what: "Laminar places bytes that it has for those behind them",
    datapath: "laminar",
    file: "assembly/laminar/reassembly.ts",
    find: "store<u32>(work, trim, W.WORK_PLACEMENTS + W.PLACEMENT_OFFSET);",
    replace: "store<u32>(work, 0, W.WORK_PLACEMENTS + W.PLACEMENT_OFFSET);",
  },
  {
    name: "laminar-no-roll-back",
    what: "a segment that did not fit the window stays accounted for",
    datapath: "laminar",
    file: "assembly/laminar/reassembly.ts",
    find: "if (reason == T.C_OUT_OF_WINDOW) rollBack(core, connection);\n  else if (merged)",
    replace: "if (merged)",
  },
  {
    name: "laminar-program-wrap",
    what: "the stage program advances rx_next_seq by a segment that lies ahead",
    datapath: "laminar",
    file: "assembly/laminar/programs/tcp.rmt",
    find: "      new = end if begun & ahead",
    replace: "      new = end if ahead",
  },
];

export const PLANTED_BUGS: readonly PlantedBug[] = [
  ...WINDOWS,
  ...WRAPS,
  ...BYTES,
  ...RECOVERY,
  ...CONNECTIONS,
  ...MACHINES,
];

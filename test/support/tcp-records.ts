/**
 * One connection's PROTOCOL and RECOVERY records in the memory of the test-only build, and the
 * functions of assembly/tcp over them.
 */
import * as flow from "../../bindings/abi/flow-state.ts";
import { loadTesting } from "./load-testing.ts";

/** What assembly/tcp exports for tests; u32 results arrive signed, u64 ones as bigint. */
export interface TcpExports extends WebAssembly.Exports {
  congestionInitialize(protocol: number, recovery: number, algorithm: number, now: bigint): void;
  congestionOnAck(
    protocol: number,
    recovery: number,
    acked: number,
    inFlightBefore: number,
    ecnEcho: number,
    now: bigint,
    told: number,
  ): void;
  congestionOnLoss(protocol: number, recovery: number, inFlight: number, now: bigint): void;
  congestionOnRecoveryExit(protocol: number, recovery: number, inFlight: number, now: bigint): void;
  congestionOnTimeout(
    protocol: number,
    recovery: number,
    inFlight: number,
    first: number,
    now: bigint,
  ): void;
  congestionOnEcn(protocol: number, recovery: number, inFlight: number, now: bigint): number;
  congestionOnIdle(protocol: number, recovery: number, now: bigint): void;
  congestionOnRttSample(recovery: number, rtt: bigint): void;
  cubicWindow(wMax: number, k: number, ticks: number, mss: number): number;
  cubeRoot(value: bigint): number;
  dctcpAlpha(alpha: number, marked: number, total: number): number;
  rttSample(recovery: number, sample: bigint, now: bigint): void;
  rttStartTiming(recovery: number, end: number, now: bigint): void;
  rttOnAck(recovery: number, una: number, now: bigint): number;
  rttAbandon(recovery: number): void;
  rtoWithBackoff(recovery: number): bigint;
  windowStep(shift: number, mss: number): number;
  creditThreshold(shift: number, mss: number): number;
  receiveWindowField(
    avail: number,
    rxNext: number,
    edge: number,
    scale: number,
    step: number,
  ): number;
  announcedEdge(rxNext: number, field: number, scale: number, edge: number): number;
  sequenceAcceptable(seq: number, length: number, next: number, window: number): number;
  trimStart(seq: number, length: number, next: number): number;
  trimEnd(seq: number, length: number, next: number, window: number): number;
  sendableBytes(
    avail: number,
    sent: number,
    cwnd: number,
    edgeDistance: number,
    mss: number,
    nodelay: number,
    cork: number,
    windowMax: number,
    finPending: number,
  ): number;
  mayLeaveWhole(
    append: number,
    sent: number,
    cwnd: number,
    edgeDistance: number,
    mss: number,
    nodelay: number,
  ): number;
}

const PROTOCOL = 4096;
const RECOVERY = 8192;
const SSTHRESH_START = 0x3fffffff;

/** Start values of a connection's congestion state; windows in bytes. */
export interface FlowStart {
  readonly algorithm: flow.CongestionAlgorithm | number;
  readonly mss: number;
  readonly cwnd: number;
  readonly ssthresh?: number;
  readonly initialWindow?: number;
}

/** A sender's congestion state and clock: `now` is in nanoseconds. */
export class CongestionFlow {
  readonly exports: TcpExports;
  now = 1_000_000_000n;
  readonly #view: DataView;

  constructor(start: FlowStart) {
    const build = loadTesting<TcpExports>();
    this.exports = build.exports;
    this.#view = build.view;
    this.mss = start.mss;
    this.cwnd = start.cwnd;
    this.setRecovery(flow.RECOVERY_SSTHRESH, start.ssthresh ?? SSTHRESH_START);
    this.setRecovery(flow.RECOVERY_INITIAL_WINDOW, start.initialWindow ?? 10 * start.mss);
    this.exports.congestionInitialize(PROTOCOL, RECOVERY, start.algorithm, this.now);
  }

  get cwnd(): number {
    return this.#view.getUint32(PROTOCOL + flow.PROTOCOL_CWND, true);
  }

  set cwnd(bytes: number) {
    this.#view.setUint32(PROTOCOL + flow.PROTOCOL_CWND, bytes, true);
  }

  get mss(): number {
    return this.#view.getUint16(PROTOCOL + flow.PROTOCOL_MSS, true);
  }

  set mss(bytes: number) {
    this.#view.setUint16(PROTOCOL + flow.PROTOCOL_MSS, bytes, true);
  }

  get ssthresh(): number {
    return this.recovery(flow.RECOVERY_SSTHRESH);
  }

  /** A u32 of the RECOVERY record. */
  recovery(offset: number): number {
    return this.#view.getUint32(RECOVERY + offset, true);
  }

  setRecovery(offset: number, value: number): void {
    this.#view.setUint32(RECOVERY + offset, value, true);
  }

  set srtt(nanoseconds: bigint) {
    this.#view.setBigUint64(RECOVERY + flow.RECOVERY_SRTT, nanoseconds, true);
  }

  initialize(algorithm: number): void {
    this.exports.congestionInitialize(PROTOCOL, RECOVERY, algorithm, this.now);
  }

  /** `told`: bytes of them that duplicates had told of. */
  ack(acked: number, inFlightBefore: number, ecnEcho = false, told = 0): void {
    const { exports, now } = this;
    exports.congestionOnAck(PROTOCOL, RECOVERY, acked, inFlightBefore, ecnEcho ? 1 : 0, now, told);
  }

  /** A round trip of `nanoseconds` was measured. */
  rtt(nanoseconds: number): void {
    this.exports.congestionOnRttSample(RECOVERY, BigInt(nanoseconds));
  }

  loss(inFlight: number): void {
    this.exports.congestionOnLoss(PROTOCOL, RECOVERY, inFlight, this.now);
  }

  exit(inFlight: number): void {
    this.exports.congestionOnRecoveryExit(PROTOCOL, RECOVERY, inFlight, this.now);
  }

  timeout(inFlight: number, first = true): void {
    this.exports.congestionOnTimeout(PROTOCOL, RECOVERY, inFlight, first ? 1 : 0, this.now);
  }

  ecn(inFlight: number): boolean {
    return this.exports.congestionOnEcn(PROTOCOL, RECOVERY, inFlight, this.now) !== 0;
  }

  idle(): void {
    this.exports.congestionOnIdle(PROTOCOL, RECOVERY, this.now);
  }

  /**
   * One round trip of `rtt` ns in which cwnd is always filled: the window of its start is
   * acknowledged in steps of `perAck` bytes, evenly in time.
   */
  round(rtt: number, perAck: number = 2 * this.mss, marked = false): void {
    const window = this.cwnd;
    const start = this.now;
    for (let done = 0; done < window; ) {
      const acked = Math.min(perAck, window - done);
      done += acked;
      this.now = start + BigInt(Math.round((rtt * done) / window));
      this.ack(acked, this.cwnd, marked);
    }
  }
}

/** The estimator's fields, nanoseconds as numbers. */
export class RttRecord {
  readonly exports: TcpExports;
  readonly recovery = RECOVERY;
  readonly #view: DataView;

  constructor(limits: { readonly rto: bigint; readonly rtoMin: bigint; readonly rtoMax: bigint }) {
    const build = loadTesting<TcpExports>();
    this.exports = build.exports;
    this.#view = build.view;
    this.set(flow.RECOVERY_RTO, limits.rto);
    this.set(flow.RECOVERY_RTO_MIN, limits.rtoMin);
    this.set(flow.RECOVERY_RTO_MAX, limits.rtoMax);
  }

  /** A u64 of the RECOVERY record. */
  get(offset: number): number {
    return Number(this.#view.getBigUint64(RECOVERY + offset, true));
  }

  set(offset: number, value: bigint): void {
    this.#view.setBigUint64(RECOVERY + offset, value, true);
  }

  get backoff(): number {
    return this.#view.getUint8(RECOVERY + flow.RECOVERY_BACKOFF);
  }

  set backoff(count: number) {
    this.#view.setUint8(RECOVERY + flow.RECOVERY_BACKOFF, count);
  }
}

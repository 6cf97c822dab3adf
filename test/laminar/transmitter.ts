/**
 * Laminar's transmission state (dissertation 5.3.2) as a tester sees it: what libTOE pushes, what
 * is acknowledged, what SYNC grants. The model in transmit-model.ts and the real data path both
 * stand behind this interface. There is no tx-sent: the transmission head is libTOE's.
 */

/** All u32; sequence numbers wrap. */
export interface TransmitRegisters {
  /** tx-next-ack: the first unacknowledged sequence number. */
  readonly txNextAck: number;
  /** tx-dupack-cnt: duplicate ACKs in a row, at most DUPACKS_MAX. */
  readonly txDupackCnt: number;
  /** tx-avail: bytes from txNextAck to the end of all that was ever pushed. */
  readonly txAvail: number;
  /** tx-credits: bytes that may be sent before the next grant. */
  readonly txCredits: number;
  /** tx-remote-avail as the sequence number where the peer's window ends. */
  readonly txRemoteEdge: number;
}

/** What tx-dupack-cnt saturates at. */
export const DUPACKS_MAX = 7;

/** The acknowledgment in a received segment, and what reassembly found of that segment. */
export interface AckSegment {
  readonly ack: number;
  /** Scaled, in bytes. */
  readonly window: number;
  /** Payload bytes; 0 is a pure ACK. */
  readonly length: number;
  /** In order: it advanced rx-next-seq or, without payload, starts there. */
  readonly order: "in-order" | "duplicate" | "out-of-order" | "out-of-window";
}

export interface AckOutcome {
  /** Bytes by which tx-next-ack advanced. */
  readonly acknowledged: number;
  /** Third duplicate ACK: libTOE has to send again from here. */
  readonly fastRetransmit?: number;
  /** It acknowledges what was never pushed: the control plane resets the connection. */
  readonly reset?: true;
}

/** What became of a pushed segment; all but "sent" are drops. */
export type TransmitOutcome = "sent" | "stale" | "no-credit" | "beyond-window";

export interface Transmitter {
  acknowledge(segment: AckSegment): AckOutcome;
  /** libTOE pushes bytes [seq, seq + length). */
  transmit(seq: number, length: number): TransmitOutcome;
  /** SYNC from the packet generator: credits grow by `bytes`, at most to `cap`. */
  grant(bytes: number, cap: number): void;
  /** SYNC of a retransmission timeout. Returns where libTOE's head goes back to. */
  timeout(credits: number): number;
  registers(): TransmitRegisters;
}

/** What a connection starts with: nothing is pushed. */
export interface TransmitStart {
  readonly txNextAck: number;
  readonly txCredits: number;
  readonly txRemoteEdge: number;
}

export type TransmitterFactory = (start: TransmitStart) => Transmitter;

/**
 * Between libTOE and the control plane: what libTOE may ask, and what it is told. Types only.
 * Results below zero are negative errno values (host/errors.ts); nothing here throws for a
 * run-time condition. Addresses are 16 bytes, IPv4 mapped (host/address.ts).
 */

/** Options of one connection or listener, as setsockopt leaves them. All have defaults. */
export interface ConnectionOptions {
  /** Buffer bytes; rounded up to a power of two, at least one chunk. */
  receiveBuffer: number;
  /** Bytes up to which autotuning makes the receive buffer larger; 0 = it stays as it is. */
  receiveBufferMax: number;
  sendBuffer: number;
  noDelay: boolean;
  cork: boolean;
  quickAck: boolean;
  keepAlive: boolean;
  /** Keep-alive times in ms: idle before the first probe, between probes; probes. */
  keepAliveIdle: number;
  keepAliveInterval: number;
  keepAliveCount: number;
  /** TCP_USER_TIMEOUT in ms; 0 = the profile's R2. */
  userTimeout: number;
  /** TCP_MAXSEG; 0 = from the route's MTU. */
  maxSegment: number;
  /** TCP_SYNCNT; 0 = the profile's. */
  synRetries: number;
  /** SO_LINGER in seconds; -1 = off; 0 = close() resets. */
  linger: number;
  ttl: number;
  tos: number;
  /** TCP_CONGESTION: a name of host/control-plane/congestion; "" = the profile's. */
  congestion: string;
  /** SO_MAX_PACING_RATE in bytes per second; 0 = not paced. */
  pacingRate: number;
  reuseAddress: boolean;
  reusePort: boolean;
  /** IPV6_V6ONLY: a listener on :: takes no IPv4 (RFC 3493, 5.3). */
  ipv6Only: boolean;
  /** TCP_LINGER2: FIN-WAIT-2 of an orphan in ms. */
  linger2: number;
}

export interface Endpoint {
  readonly address: Uint8Array;
  readonly port: number;
}

export interface ListenRequest {
  /** All-zero address (:: or 0.0.0.0 mapped) = any. Port 0 = choose. */
  readonly local: Endpoint;
  readonly backlog: number;
  readonly options: ConnectionOptions;
  /** Context that the accepted connections belong to. */
  readonly context: number;
}

export interface OpenRequest {
  readonly remote: Endpoint;
  /** Unset: chosen by route and RFC 6056. */
  readonly local?: Endpoint | undefined;
  readonly options: ConnectionOptions;
  readonly context: number;
}

/** A connection as `ss` shows it. Times in ms. */
export interface ConnectionInfo {
  readonly connection: number;
  /** RFC 9293 name: "ESTABLISHED", "TIME-WAIT", ... */
  readonly state: string;
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly congestion: string;
  readonly rxNextSeq: number;
  readonly rxWindow: number;
  readonly txUna: number;
  readonly txSent: number;
  readonly txAvail: number;
  readonly peerWindow: number;
  readonly cwnd: number;
  readonly ssthresh: number;
  readonly mss: number;
  readonly srtt: number;
  readonly rttvar: number;
  readonly rto: number;
  readonly rttMin: number;
  readonly segmentsIn: number;
  readonly segmentsOut: number;
  readonly retransmits: number;
  readonly fastRetransmits: number;
  readonly timeouts: number;
  /** Timeouts in a row. */
  readonly backoff: number;
  /**
   * What the sender is at: nothing unusual; ACKs tell of gaps; the window was cut for ECN; losses
   * are repaired; all is sent again after a timeout.
   */
  readonly lossState: "open" | "disorder" | "reduced" | "recovery" | "timeout";
  /** Bytes in flight that are selectively acknowledged. */
  readonly sacked: number;
  /** Bytes in flight that are lost, until they are acknowledged; 0 without SACK. */
  readonly lost: number;
  /** Bytes in flight that were sent again, and are not lost again since; 0 without SACK. */
  readonly sentAgain: number;
  readonly outOfOrder: number;
  /** ms since a segment arrived. */
  readonly sinceReceive: number;
  /** MSS that our SYN announces. */
  readonly announcedMss: number;
  readonly bytesIn: number;
  readonly bytesAcked: number;
  readonly timestamps: boolean;
  readonly sack: boolean;
  readonly ecn: boolean;
  readonly peerScale: number;
  readonly localScale: number;
}

export interface ControlPlaneApi {
  /** Starts listening; the listener's id (> 0) or -errno. */
  listen(request: ListenRequest): number;
  /** Stops listening and resets what nobody accepted; of those no events follow, ids are gone. */
  unlisten(listener: number): void;
  /** Port of a listener (after port 0). */
  listenerPort(listener: number): number;
  /** Takes an established connection from the accept queue: its id, or -EAGAIN. */
  accept(listener: number): number;
  /** Connections waiting in accept(). */
  acceptable(listener: number): number;
  /**
   * Starts an active open: the connection's id (> 0) or -errno. Outcome: opened() or closed().
   * Every id from open() or opened() is given back once, by release() or abort(), also after
   * closed(): until then it is not used again.
   */
  open(request: OpenRequest): number;
  /** The application ended its sending side; libTOE has put ATX_FIN in the context queue. */
  shutdownSend(connection: number): void;
  /**
   * The application let go of the connection: an orphan from here on; no more events follow. An
   * open sending side (no shutdownSend() before) is aborted, and so is anything with linger 0.
   */
  release(connection: number): void;
  /** Sends RST and forgets. */
  abort(connection: number): void;
  local(connection: number): Endpoint;
  remote(connection: number): Endpoint;
  /** Applies changed options to a live connection. */
  configure(connection: number, options: ConnectionOptions): void;
  /** Applies changed options to a listener, for the connections that SYNs open from now on. */
  configureListener(listener: number, options: ConnectionOptions): void;
  /** Name of a connection's congestion control; of connection 0 what "" stands for. */
  congestion(connection: number): string;
  info(connection: number): ConnectionInfo;
  /** Every connection, TIME-WAIT included. */
  connections(): ConnectionInfo[];
}

/** What the control plane tells libTOE. Called between bursts, never re-entrantly. */
export interface ConnectionEvents {
  /**
   * The data path has the connection; its payload buffers exist. Sequence numbers are those of
   * the first byte to receive and to send: byte s of a stream stands at s & mask.
   * `listener` is 0 for an active open.
   */
  opened(connection: number, generation: number, listener: number): void;
  /** The accept queue of a listener grew. */
  acceptReady(listener: number): void;
  /**
   * The connection is over for the application: reset, timed out, refused or closed in order.
   * `error` is a positive errno, 0 for an orderly close in both directions. The payload buffers
   * are valid within this call; after an orderly close until release().
   */
  closed(connection: number, error: number): void;
  /** A soft error (RFC 9293 MUST-47): reported by SO_ERROR, does not end the connection. */
  softError(connection: number, error: number): void;
}

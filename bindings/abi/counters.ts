/** Counters of one core, u64 each, at CORE_COUNTERS + 8 * counter. */
export const enum Counter {
  FramesIn = 0,
  FramesOut = 1,
  BytesIn = 2,
  BytesOut = 3,
  DataSegmentsIn = 4,
  DataSegmentsOut = 5,
  AcksIn = 6,
  AcksOut = 7,
  Retransmissions = 8,
  FastRetransmits = 9,
  Timeouts = 10,
  OutOfOrderPlaced = 11,
  DupAcksIn = 12,
  ChallengeAcks = 13,
  Redirects = 14,
  PayloadBytesIn = 15,
  PayloadBytesOut = 16,
  Descriptors = 17,
  Notifications = 18,
  Interrupts = 19,
  TimersFired = 20,
  DelayedAcks = 21,
  WindowUpdates = 22,
  EcnMarksIn = 23,
  EcnEchoesIn = 24,
  Probes = 25,
  /** Bytes moved by the DMA stage, each way: the copies that the design names. */
  CopiedIn = 26,
  CopiedOut = 27,
  WindowScaleClamped = 28,
  TimestampMissing = 29,
  /** Segments received and sent by header prediction, among those counted above. */
  PredictedIn = 30,
  PredictedOut = 31,
  // What crosses between host and data path beside the above, for models of the interconnect:
  /** Stores of a producer index by libTOE, and of a consumer index. */
  Doorbells = 32,
  NotificationReads = 33,
  /** Bytes of the frames that Redirects counts. */
  RedirectedBytes = 34,
  /** Frames that the control plane sends itself. */
  ControlFramesOut = 35,
  ControlBytesOut = 36,
  /** Connections put into the data path, and looked at by the control plane. */
  Installs = 37,
  Inspections = 38,
  /** Events for the control plane, redirected frames included. */
  Events = 39,
  /** Receive buffers that autotuning enlarged, and times that the arena had too little for it. */
  WindowsGrown = 40,
  WindowsLimited = 41,
  /** Connections that got a smaller first window than they asked for. */
  WindowsSmall = 42,
  /** send() found no chunk for its bytes. */
  SendsStarved = 43,
  /** Transmit buffers of idle connections that were taken back for others. */
  BuffersReclaimed = 44,
  /** Laminar: SYNCs that gave transmission credits. */
  Grants = 45,
  /** Tail loss probes (RFC 8985, 7), and recoveries that were for nothing (RFC 3522, 5682). */
  TailLossProbes = 46,
  SpuriousRecoveries = 47,
  /** SYN-ACKs that were cookies, and connections that began with one (RFC 4987, 3.6). */
  CookiesSent = 48,
  CookiesAccepted = 49,
  /** Closing connections that nobody held, reset because there were too many of them. */
  OrphansReset = 50,
}
export const COUNTERS: u32 = 51;

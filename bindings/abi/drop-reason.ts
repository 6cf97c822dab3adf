/**
 * Why a frame, segment or descriptor was not used. Each reason is one counter (u32) at
 * CORE_DROPS + 4 * reason. There is no "other".
 */
export const enum DropReason {
  None = 0,
  // Pre-processing: Val.
  FrameTooShort = 1,
  EtherTypeUnknown = 2,
  VlanUnknown = 3,
  IpVersion = 4,
  IpHeaderLength = 5,
  IpTotalLength = 6,
  IpChecksum = 7,
  IpFragment = 8,
  IpDestination = 9,
  IpSource = 10,
  TcpHeaderLength = 11,
  TcpChecksum = 12,
  TcpNoFlags = 13,
  TcpOptionLength = 14,
  // Protocol.
  Paws = 15,
  OutOfWindow = 16,
  Duplicate = 17,
  NoAck = 18,
  AckOutOfRange = 19,
  ResetOutOfWindow = 20,
  ResetChallenge = 21,
  SynChallenge = 22,
  IntervalLimit = 23,
  AfterFin = 24,
  LateData = 25,
  // Rings and control plane.
  EventRingFull = 26,
  EgressFull = 27,
  DescriptorConnection = 28,
  DescriptorGeneration = 29,
  DescriptorContext = 30,
  DescriptorCredit = 31,
  DescriptorAppend = 32,
  DescriptorOpcode = 33,
  DescriptorRing = 34,
  ProtocolUnknown = 35,
  NoListener = 36,
  BacklogFull = 37,
  NoConnection = 38,
  IcmpIgnored = 39,
  ArpIgnored = 40,
  NoRoute = 41,
  NeighborUnreachable = 42,
  RateLimited = 43,
  LinkMalformed = 44,
  /** Workers executor: netif and pre-processing disagree on the flow group. */
  FlowGroup = 45,
  // Laminar's pipeline, of segments that the push engine gave it: acknowledged meanwhile, without
  // credit, beyond the peer's window, faster than the connection's meter.
  PushStale = 46,
  PushCredit = 47,
  PushWindow = 48,
  PushRate = 49,
  // IPv6: extension headers beyond their limits or their packet, options that ask for a drop,
  // routing of type 0; neighbour discovery from beyond the link or with bad lengths.
  ExtensionLength = 50,
  ExtensionLimit = 51,
  ExtensionOption = 52,
  RoutingHeader = 53,
  NdpIgnored = 54,
  /** An ACK for a listener that sends SYN cookies, and this is none, or an old one. */
  CookieInvalid = 55,
  // Fragments that no datagram is made of (RFC 8200, 4.5): of no whole blocks, beyond what a length
  // can say, a first one without all headers, neighbour discovery (RFC 6980).
  FragmentLength = 56,
  FragmentBeyond = 57,
  FragmentHeaders = 58,
  FragmentNdp = 59,
  // Datagrams that a reassembler gave up: pieces that overlap or contradict each other, 60 s, a
  // newer one wanted the room, longer than was asked for.
  FragmentOverlap = 60,
  FragmentTimeout = 61,
  FragmentLimit = 62,
  FragmentTooLong = 63,
}
export const DROP_REASONS: u32 = 64;

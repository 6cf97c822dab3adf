/**
 * What Laminar's faithful mode does differently from FlexTOE, by design: the tests above the data
 * path that fail on it, each with the reason. Such a test is run all the same and has to fail
 * (expect-differences.ts), so that the list cannot outlive a difference.
 */
export interface Difference {
  /** Of the dissertation, or of what it leaves open (assembly/README.md). */
  readonly section: string;
  readonly reason: string;
  /** File below test/, and what the names of its tests match. */
  readonly tests: readonly (readonly [file: string, name: RegExp])[];
}

/** Scripts of test/packetdrill, by name. */
function scripts(...names: readonly string[]): readonly [file: string, name: RegExp] {
  const one = names.join(" ").split(" ").join("|");
  return ["packetdrill/scripts.test.ts", new RegExp(`^(${one})( \\(.*)?$`)];
}

export const DIFFERENCES: readonly Difference[] = [
  {
    section: "5.3.1, 5.5.3",
    reason: "no timestamps and no SACK: they are extensions of the program",
    tests: [
      ["rfc/sack-recovery.test.ts", /^(SK-(9|1[1234567]|2[456])|RACK-18)[:,]/],
      ["threats/congestion-rows.test.ts", /^threats\/C07: forged /],
      ["rfc/rack.test.ts", /^(RACK-([2379]|1[034567])|TLP-([126]|3: a tail|3, RACK))/],
      ["rfc/d-sack.test.ts", /./],
      ["rfc/spurious-timeout.test.ts", /^SP-1, SP-2: /],
      ["rfc/sack-receiver.test.ts", /^SK-([1345]|18|19|22): /],
      ["rfc/numbers-and-ports.test.ts", /^SK-23: /],
      ["rfc/timestamps.test.ts", /^(TS-([2-8]|1[1-4])|PAWS-[1-8]): /],
      ["rfc/window-scale.test.ts", /^WS-13: /],
      ["rfc/syn-cookies.test.ts", /^SC-5: scale/],
      ["rfc/segments.test.ts", /^RFC 9293 MUST-16, MS-1: /],
      ["rfc/closing.test.ts", /^TW-([47]:|9: an older TSval)/],
      scripts(
        "data-out-of-order handshake-active linux-fin-probe linux-profile linux-reset-plain",
        "options-all paws paws-fresh paws-late-original paws-outdated",
        "linux-single-segment sack-after-timeout sack-recovery sack-two-losses sack-without-probe",
        "tcp-figures timestamps-delayed-echo",
        "tcp-figures-probe wrap-around",
      ),
      [
        "threats/option-rows.test.ts",
        /^threats\/(O0[3457] .*( the timestamp| the right one) counts$|O11, C08: |O13: )/,
      ],
      ["unit/control-plane/handshake.test.ts", /passive open reaches ESTABLISHED/],
      ["unit/control-plane/handshake.test.ts", /what a SYN offers/],
      ["unit/control-plane/handshake.test.ts", /^MUST-16 effective MSS, /],
      ["unit/control-plane/handshake.test.ts", /an old timestamp is answered/],
      ["unit/control-plane/teardown.test.ts", /a repeated FIN is acknowledged/],
      ["unit/control-plane/teardown.test.ts", /SHLD-4, MAY-2 SYN: TW-(4|9 older)/],
      ["unit/control-plane/teardown.test.ts", /TW-7, TW-8: without timestamps/],
    ],
  },
  {
    section: "5.3.1.4, 5.5.3",
    reason: "each segment is acknowledged at once: delayed ACKs are an extension",
    tests: [
      scripts(
        "data-ack-with-answer data-delayed-ack data-overlap data-trimmed ecn-receive epoll",
        "linux-quick-ack read-blocking window-receive window-scaling zero-window-acceptance",
      ),
      ["rfc/windows.test.ts", /^RFC 9293 SHLD-1[89]: /],
    ],
  },
  {
    section: "5.3.2",
    reason: "go-back-N: all of the window goes again, and nothing new before that",
    tests: [
      scripts("fast-retransmit limited-transmit linux-limited-transmit newreno-partial-ack"),
      ["rfc/windows.test.ts", /^RFC 9293 SHLD-16: with SACK /],
      ["rfc/spurious-timeout.test.ts", /^SP-(5, SP-6|6, SP-8|9: two)/],
      ["rfc/path-mtu.test.ts", /^RFC 4821, 7.4: what tests a timeout/],
      ["rfc/fast-recovery.test.ts", /^CC-(9: nor|13, CC-23|1[457]|2[45]|3[12])/],
      [
        "rfc/path-mtu.test.ts",
        /^(PM-15: a probe|PM-6, PM-15: half|RFC 4821, 7.6.4: a.*(beside|later))/,
      ],
    ],
  },
  {
    section: "5.3.2.3",
    reason: "T2 counts duplicate ACKs, and the push engine hears of the third",
    tests: [["rfc/path-mtu.test.ts", /^PM-17: no probe while a duplicate ACK/]],
  },
  {
    section: "5.3.2.3",
    reason:
      "T1 to T5 stand behind R1: the data of a segment whose ACK is refused are taken, and an " +
      "ACK that only opens the window is counted as a duplicate; the ACK of data beyond the " +
      "window counts",
    tests: [
      scripts("ack-unacceptable duplicate-ack-rules"),
      ["rfc/fast-recovery.test.ts", /^CC-9: what/],
      ["rfc/states/matrix.test.ts", / (ESTABLISHED|FIN-WAIT-[12]), data\+ACK:/],
      [
        "rfc/states/matrix.test.ts",
        / (FIN-WAIT-1|CLOSING|LAST-ACK), (data|data\+FIN|URG\+data)\+ACK:/,
      ],
      ["rfc/sending.test.ts", /\bBA-5: /],
      ["rfc/blind-attacks.test.ts", /^BA-14: /],
      ["threats/injection-rows.test.ts", /^threats\/B03: data /],
      ["threats/sequence-rows.test.ts", /^threats\/Q11: the data /],
    ],
  },
  {
    section: "5.3.2.2",
    reason: "only a segment in sequence moves the peer's window (T5)",
    tests: [
      ["stack/closed-window.test.ts", /a peer that answers from beyond our closed window/],
      ["stack/closed-window.test.ts", /an ACK at the right edge counts/],
      ["stack/path-changes.test.ts", /a link that was down goes on at once/],
    ],
  },
  {
    section: "5.3.1.3",
    reason: "one interval out of order; a segment is placed whole",
    tests: [
      scripts("data-two-gaps"),
      ["threats/sequence-rows.test.ts", /^threats\/Q05: .* and no less$/],
      ["threats/sequence-rows.test.ts", /^threats\/Q06: the bytes that came first/],
    ],
  },
  {
    section: "5.3.1.3, 5.5.4.1",
    reason: "one interval, no SACK: npm run interop has it at 0.1 % loss, and the others at 2 %",
    tests: [["stack/loss-recovery.test.ts", /^1 % loss: /]],
  },
];

/** The difference that makes a test fail; `name`: the test's own, without its groups'. */
export function differenceOf(path: string, name: string): Difference | undefined {
  return DIFFERENCES.find(({ tests }) =>
    tests.some(([file, pattern]) => path.endsWith(`/test/${file}`) && pattern.test(name)),
  );
}

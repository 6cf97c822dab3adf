/**
 * The interpreter itself: what it refuses and with which line, what a failure says, times and
 * tolerances, assertions, settings, and the command with its exit codes. Scripts that pass, and
 * that a changed expectation fails, are in scripts.test.ts and mutation.test.ts.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { PcapngWriter } from "../../host/netif/pcapng.ts";
import { parseScript, type RunOptions, runScript } from "../../host/packetdrill/index.ts";
import { loadModule } from "../support/load-core.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { packetdrill } from "./command.ts";

const LISTEN = `0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0`;
const OPEN = `${LISTEN}
+0.1 < S 0:0(0) win 65535 <mss 1000>
+0 > S. 0:0(0) ack 1 <mss 1460>
+0.1 < . 1:1(0) ack 1 win 65535
+0 accept(3, ..., ...) = 4`;
const OPEN_LINES = OPEN.split("\n").length;

function run(text: string, options: Partial<RunOptions> = {}): string {
  try {
    const failure = runScript(parseScript("x.pkt", text), { module: loadModule(), ...options });
    return failure?.message ?? "passed";
  } catch (error) {
    return (error as Error).message;
  }
}

/** The result behind an established connection; line 1 is the text's first. */
function runOpen(text: string, options: Partial<RunOptions> = {}): string {
  const message = run(`${OPEN}\n${text}`, options);
  return message.replace(/^x\.pkt:(\d+)/, (_, line) => `x.pkt:${Number(line) - OPEN_LINES}`);
}

describe("what is refused, with its line", () => {
  test.each([
    ["", "x.pkt:1: expected an event, got the end of the script"],
    ["// no event\n/* at\nall */\n", "x.pkt:4: expected an event, got the end of the script"],
    ["0 > S 0:0(0\n", "x.pkt:1: expected sequence numbers as 1:1001(1000), got"],
    ["\n\n0 > S 0:1(0)", "x.pkt:3: expected the end to be start plus length, got 0:1(0)"],
    ["0 > Q 0:0(0)", 'x.pkt:1: expected flags of SFRP.UEW, or -, got "Q 0:0(0)"'],
    ["0 > S 0:0(0) ack 1", "x.pkt:1: expected the flag . beside ack 1, got S"],
    ["0 > S 0:0(0) win 65536", "x.pkt:1: expected win up to 65535, got 65536"],
    ["0 > S 0:0(0) <mss>", 'x.pkt:1: expected mss, got ">"'],
    ["0 > S 0:0(0) <maximum 3>", "x.pkt:1: expected mss, nop, eol, sackOK, wscale, TS, sack"],
    ["0 > S 0:0(0) <FO 123>", "x.pkt:1: expected > behind the options"],
    ["0 > S 0:0(0) <md5 00>", "x.pkt:1: expected > behind the options"],
    ["0 > [ect2] S 0:0(0)", "x.pkt:1: expected noecn, ect0, ect1, ce, tos or ttl, got ect"],
    ["0 > udp (10)", "x.pkt:1: udp: expected it with < only, the stack has none"],
    ["0 < udp (65536)", "x.pkt:1: expected payload bytes up to 65535, got 65536"],
    ["0 > gre (10)", "x.pkt:1: gre: the stack has TCP and ICMP only"],
    ["0 < [0:0(0)] icmp unreachable nobody", "x.pkt:1: expected a code of unreachable (net_"],
    ["0~1 < S 0:0(0)", "x.pkt:1: expected an exact time of an inbound packet"],
    ["1...2 > S 0:0(0)", "x.pkt:1: expected A...B in front of a call only"],
    ["2...1 close(3) = 0", "x.pkt:1: expected a time that ends after its start"],
    ["0 close(3)", "x.pkt:1: expected = and the call's result, got the end of the script"],
    ["0 close(3) = -1", "x.pkt:1: expected the name of an error behind -1"],
    ["0 socket(..., SOCK_RAW, 0) = 3", "x.pkt:1: expected a constant that the stack knows, got"],
    ["0 fork() = 0", "x.pkt:1: fork: expected a call that the stack has (socket, bind,"],
    ["0 listen(3) = 0", "x.pkt:1: listen: expected 2 arguments, got 1"],
    ["0 %{ tcpi_state == 1 }%", 'x.pkt:1: expected assert, got "tcpi_state == 1"'],
    ["0 %{ assert unknown == 1 }%", "x.pkt:1: assertion: unknown: the stack has no such figure"],
    ["0 %{ assert tcpi_reordering == 3 }%", "tcpi_reordering: the stack does not count it"],
    ["0 %{ assert tcpi_delivered == 1 }%", "tcpi_delivered: the stack does not count it"],
    ["0 %{ assert tcpi_delivered_ce == 1 }%", "tcpi_delivered_ce: the stack does not count it"],
    ["0 %{ assert tcpi_probes == 1 }%", "tcpi_probes: the stack does not count it"],
    ["0 %{ assert tcpi_busy_time == 1 }%", "tcpi_busy_time: the stack does not count it"],
    ["0 %{ assert tcpi_rwnd_limited == 1 }%", "tcpi_rwnd_limited: the stack does not count it"],
    ["0 %{ assert tcpi_sndbuf_limited == 1 }%", "tcpi_sndbuf_limited: the stack does not count"],
    ["0 %{ x = 1 +\n}%", "x.pkt:1: expected a number, a name or ("],
    ["0 %{\nprint(1) 2 }%", "x.pkt:2: expected the end of print(), got"],
    ["0 %{\nassert tcpi_none == 1 }%", "x.pkt:2: assertion: tcpi_none: the stack has no such"],
    ["0 %{ assert exec('x') }%", "x.pkt:1: assertion: expected abs, min, max or int()"],
    ["--mss", "x.pkt:1: --mss: expected a value, got none"],
    ["--speed=3\n0 close(3) = 0", "x.pkt:1: --speed: expected one of --tolerance_usecs"],
    ["--mss=9\n0 close(3) = 0", "x.pkt:1: --mss: expected an integer 88..65495, got 9"],
    ["--ip_version=ipv5\n0 close(3) = 0", "x.pkt:1: --ip_version: expected ipv4 or ipv6, got ipv5"],
    [
      "--local_ip=10.0.0.1 --ip_version=ipv6\n0 close(3) = 0",
      "x.pkt:1: --local_ip: expected an IPv6 address, got 10.0.0.1",
    ],
    [
      "--remote_ip=fd::1\n0 close(3) = 0",
      "x.pkt:1: --remote_ip: expected an IPv4 address, got fd::1",
    ],
    ["--strict_segments // alone\n--mss", "x.pkt:2: --mss: expected a value, got none"],
    ["--profile=solaris\n0 close(3) = 0", "x.pkt:1: --profile: profile: expected internet|rfc"],
    ["`tc qdisc add dev tun0`\n0 close(3) = 0", "x.pkt:1: expected sysctl, set_sysctls.py or"],
    [
      "`sysctl -q net.ipv4.tcp_ecn=1\nsysctl net.ipv4.tcp_dsack=0`\n0 close(3) = 0",
      "x.pkt:2: sysctl net.ipv4.tcp_dsack: expected 1 (the stack has no switch for it), got 0",
    ],
    [
      "`sysctl net.ipv4.tcp_timestamps=2`\n0 close(3) = 0",
      "x.pkt:1: sysctl net.ipv4.tcp_timestamps: expected 0 or 1, got 2",
    ],
    [
      "`../common/set_sysctls.py \\\n tcp_sack=1 \\\n tcp_dsack=0`\n0 close(3) = 0",
      "x.pkt:1: sysctl tcp_dsack: expected 1",
    ],
    ["`ethtool -K tun0 tso on`\n0 close(3) = 0", "x.pkt:1: expected sysctl, set_sysctls.py or"],
    [
      "0 close(3) = -1 EBADF\n`sysctl net.ipv4.tcp_sack=0`",
      "x.pkt:2: expected the command before the first event, got it behind one",
    ],
    ["0 < [1:1(0)] icmp nothing", "x.pkt:1: expected unreachable, time_exceeded, source_quench"],
    [
      "`sysctl net.ipv4.tcp_rfc1337=1`\n0 close(3) = 0",
      "x.pkt:1: sysctl net.ipv4.tcp_rfc1337: not",
    ],
    ["0 < [1:1(0)] icmp source_quench", "x.pkt:1: expected a connection before an ICMP error"],
  ])("%j", (text, message) => {
    expect(run(text)).toContain(message);
  });
});

describe("expected packets that do not come", () => {
  const UNREACHABLE = "icmp unreachable port_unreachable";

  test.each([
    [
      "+0 write(4, ..., 10) = 10\n+0 > P. 1:11(10) ack 1 <FO 00ff,FOEXP,md5>",
      "x.pkt:2: outbound packet: options: expected <FO 00ff,FOEXP,md5>, got none\n" +
        "  expected > P. 1:11(10) ack 1 <FO 00ff,FOEXP,md5>\n" +
        "  actual   > P. 1:11(10) ack 1 win 65535 at 0.200000 s",
    ],
    [
      `+0 > [1:11(10)] ${UNREACHABLE}`,
      `expected a packet until 0.204000 s, got none\n  expected > [1:11(10)] ${UNREACHABLE}`,
    ],
    [
      `+0 write(4, ..., 10) = 10\n+0 > [1:11(10)] ${UNREACHABLE}`,
      "x.pkt:2: outbound packet: expected an ICMP error, got a segment\n" +
        `  expected > [1:11(10)] ${UNREACHABLE}\n  actual   > P. 1:11(10) ack 1 win 65535`,
    ],
    [
      "+0 < udp (10)\n+0 > . 1:1(0) ack 1",
      "x.pkt:2: outbound packet: expected a segment, got an ICMP error\n" +
        `  expected > . 1:1(0) ack 1\n  actual   > [udp (10)] ${UNREACHABLE} at 0.200000 s`,
    ],
    [
      "+0 < udp (10)\n+0.1 > [udp (11)] icmp unreachable frag_needed mtu 600",
      "x.pkt:2: outbound packet: code: expected 4, got 3; mtu: expected 600, got 0; " +
        "quoted bytes: expected 11, got 10; time: expected 0.300000 s, got 0.200000 s\n" +
        "  expected > [udp (11)] icmp unreachable frag_needed mtu 600\n" +
        `  actual   > [udp (10)] ${UNREACHABLE} at 0.200000 s`,
    ],
    [
      "+0 < udp (10)\n+0 > [1:11(10)] icmp time_exceeded",
      "x.pkt:2: outbound packet: type: expected 11, got 3; code: expected 0, got 3; " +
        "quoted: expected tcp, got udp",
    ],
    [
      "+0 < udp (10)\n+0 > [udp (10)] icmp packet_too_big mtu 1280",
      "x.pkt:2: outbound packet: icmp packet_too_big: expected an error of ICMP for IPv4",
    ],
    [
      "+0 < udp (10)",
      "x.pkt:1: expected no packet behind the last event, got one\n" +
        `  actual   > [udp (10)] ${UNREACHABLE} at 0.200000 s`,
    ],
    ["+0 < [udp (10)] icmp source_quench", "x.pkt:1: expected a quoted segment, got udp"],
  ])("%j", (text, message) => {
    expect(runOpen(text)).toContain(message);
  });
});

describe("what a failure says", () => {
  test.each([
    ["+0 write(4, ..., 100) = 99", "x.pkt:1: write: expected result 99, got 100"],
    ["+0 write(9, ..., 100) = 100", "x.pkt:1: write: expected result 100, got -1 EBADF"],
    ["+0 close(4) = -1 EIO (I/O error)", "x.pkt:1: close: expected result -1 EIO, got 0"],
    ["+0 read(4, ..., 10) = 10", "x.pkt:1: read: expected a result at once, but it waits"],
    ["+0...0.1 read(4, ..., 10) = 10", "x.pkt:1: read: expected its return, but it still waits"],
    [
      "+0...0.1 read(4, ..., 10) = 10\n+0.2 < P. 1:11(10) ack 1 win 65535\n+0.2 > . 1:1(0) ack 11",
      "x.pkt:1: read: expected its return at 0.300000 s, got 0.400000 s",
    ],
    [
      "+0...0.1 read(4, ..., 10) = 10\n+0 close(4) = 0",
      "x.pkt:2: expected the call of line 8 to have returned",
    ],
    ["+0 > P. 1:11(10) ack 1", "x.pkt:1: expected a packet until 0.204000 s, got none"],
    [
      "+0 write(4, ..., 10) = 10",
      "x.pkt:1: expected no packet behind the last event, got one\n  actual   > P. 1:11(10) ack 1",
    ],
    ["+0 %{ assert tcpi_lost == 0 }%", "x.pkt:1: assertion: tcpi_lost: the stack counts it with"],
    ["+0 %{ assert tcpi_retrans == 0 }%", "tcpi_retrans: the stack counts it with SACK only"],
    [
      "+0 write(4, ..., 10) = 10\n+0 > S. 5:14(9) ack 2 win 7 <nop>",
      "x.pkt:2: outbound packet: flags: expected S., got P.; sequence: expected 5, got 1; " +
        "payload length: expected 9, got 10; ack: expected 2, got 1; " +
        "window: expected 7, got 65535; options: expected <nop>, got none\n" +
        "  expected > S. 5:14(9) ack 2 win 7 <nop>\n" +
        "  actual   > P. 1:11(10) ack 1 win 65535 at 0.200000 s",
    ],
    [
      "+0 write(4, ..., 10) = 10\n+0.1 > [ce,ttl 3] P. 1:11(10) ack 1",
      "x.pkt:2: outbound packet: ECN: expected ce, got noecn; TTL: expected 3, got 64; " +
        "time: expected 0.300000 s, got 0.200000 s",
    ],
    [
      "+0 %{ assert tcpi_state == TCP_LISTEN, 'state %d' % tcpi_state }%",
      "x.pkt:1: assertion: expected tcpi_state == TCP_LISTEN, 'state %d' % tcpi_state, " +
        "got tcpi_state = 1, TCP_LISTEN = 10 (state 1)",
    ],
    [
      "+0 getsockopt(4, IPPROTO_TCP, TCP_MAXSEG, [999], [4]) = 0",
      "x.pkt:1: getsockopt: expected the option's value 999, got 1000",
    ],
    [
      "+0 poll([{fd=4, events=POLLOUT, revents=POLLIN}], 1, 0) = 1",
      "x.pkt:1: poll: expected revents 1 of 4, got 4",
    ],
    ["+0 ioctl(4, SIOCINQ, [1]) = 0", "x.pkt:1: ioctl: expected 1 bytes queued, got 0"],
    ["+1 close(4) = 0\n1 close(3) = 0", "x.pkt:2: expected an event no earlier than the one"],
  ])("%j", (text, message) => {
    expect(runOpen(text)).toContain(message);
  });
});

describe("times", () => {
  const WRITE = "+0 write(4, ..., 10) = 10";
  const ACK = "+0.2 > . 1:1(0) ack 11";
  const DATA = "+0 < P. 1:11(10) ack 1 win 65535";

  test.each([
    ["absolute", `0.2 write(4, ..., 10) = 10\n0.2 > P. 1:11(10) ack 1`],
    ["relative", `${DATA}\n${ACK}`],
    ["any", `${DATA}\n* > . 1:1(0) ack 11\n+0.1 write(4, ..., 10) = 10\n* > P. 1:11(10) ack 11`],
    ["a range, relative", `${DATA}\n+0.1~+0.3 > . 1:1(0) ack 11`],
    ["a range, absolute", `${DATA}\n0.3~0.45 > . 1:1(0) ack 11`],
    ["behind a range", `${DATA}\n+0.1~+0.3 > . 1:1(0) ack 11\n+0 read(4, ..., 10) = 10`],
    ["within the tolerance", `${DATA}\n+0.204 > . 1:1(0) ack 11`],
    ["several lines", `+0\n  < P.\n  1:11(10) ack 1 // comment\n win 65535\n${ACK}`],
  ])("%s", (_, text) => {
    expect(runOpen(text)).toBe("passed");
  });

  test.each([
    ["later than the tolerance", `${DATA}\n+0.195 > . 1:1(0) ack 11`],
    ["earlier than the tolerance", `${DATA}\n+0.205 > . 1:1(0) ack 11`],
    ["before a range", `${WRITE}\n+0.1~+0.3 > P. 1:11(10) ack 1`],
  ])("%s", (_, text) => {
    expect(runOpen(text)).toMatch(/^x\.pkt:2: (outbound packet: time|expected a packet until)/);
  });

  test("a tolerance of its own", () => {
    const text = `${DATA}\n+0.25 > . 1:1(0) ack 11`;
    expect(runOpen(text, { options: { tolerance_usecs: "50000" } })).toBe("passed");
    expect(runOpen(text, { options: { tolerance_usecs: "49000" } })).toContain("time: expected");
  });
});

describe("assertions", () => {
  test.each([
    ["1 + 2 * 3 == 7 and 7 - 2 - 1 == 4"],
    ["(1 + 2) * 3 == 9 && !(2 > 3)"],
    ["1 < 2 < 3 and not 1 < 3 < 2"],
    ["0x10 | 1 == 17 and 6 & 3 == 2 and 6 ^ 3 == 5"],
    ["1 << 4 == 16 and 16 >> 2 == 4 and -7 % 4 == 1"],
    ["abs(-3) == 3 and min(1, 2) == 1 and max(1, 2, 3) == 3"],
    ["0 or 5"],
    ["~0 == -1 and --1 == 1"],
    ["(1 +\n   2 == 3)"],
    ["1 == 1; assert 2 == 2\nassert 3 == 3"],
    ["1 == 1; x = 2; x += 3; assert x == 5; x *= 2\nx -= 1; assert x == 9"],
    ["1 == 1  # not 2\nprint('%d' % 1); assert 2 == 2"],
    ["1 == \\\n 1; \\\nassert 2 == 2"],
  ])("%j holds", (text) => {
    expect(run(`0 %{ assert ${text} }%`)).toBe("passed");
  });

  test.each([["1 == 2"], ["1 < 3 < 2"], ["not 1"], ["0 and 1"], ["1 == 1; assert 2 == 3"]])(
    "%j does not",
    (text) => {
      expect(run(`0 %{ assert ${text} }%`)).toMatch(
        /^x\.pkt:1: assertion: expected .*, got false$/,
      );
    },
  );

  test("nesting has a limit", () => {
    const deep = `${"(".repeat(100)}1${")".repeat(100)}`;
    expect(run(`0 %{ assert ${deep} }%`)).toContain("expected at most 64 brackets");
  });
});

test("a name that an assertion gives lasts until the script's end", () => {
  expect(run("0 %{ x = 7 }%\n+0 %{ assert x == 7 }%")).toBe("passed");
  expect(run("0 %{ x = 7 }%\n+0 %{ assert x == 8, 'x is %d' % x }%")).toBe(
    "x.pkt:2: assertion: expected x == 8, 'x is %d' % x, got x = 7 (x is 7)",
  );
});

describe("set-up commands", () => {
  const SYN =
    "0 socket(..., SOCK_STREAM|SOCK_NONBLOCK, 0) = 3\n+0 connect(3, ..., ...) = -1 EINPROGRESS";
  const sees = (command: string, options: string): string =>
    run(`\`${command}\`\n${SYN}\n+0 > S 0:0(0) <${options}>`);

  test.each([
    ["../common/defaults.sh", "mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 8"],
    [
      "sysctl -q net.ipv4.tcp_rmem='4096 131072 6291456'",
      "mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7",
    ],
    ["set_sysctls.py /proc/sys/net/ipv4/tcp_timestamps=0", "mss 1460,nop,nop,sackOK,nop,wscale 7"],
    ["sysctl net/ipv4/tcp_sack=0 net.ipv4.tcp_timestamps=0", "mss 1460,nop,wscale 7"],
    ["ethtool -K tun0 gso off tso off\nip tcp_metrics flush all > /dev/null 2>&1", "..."],
    [["", "tmp", "sysctl_restore_$PPID.sh"].join("/"), "..."],
  ])("%s", (command, options) => {
    expect(sees(command, options)).toBe("passed");
  });

  test("a switch that is off changes the SYN", () => {
    expect(
      sees("sysctl net.ipv4.tcp_timestamps=0", "mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7"),
    ).toContain("options: expected");
  });
});

test("NULL is no buffer", () => {
  expect(runOpen("+0 write(4, NULL, 10) = -1 EFAULT\n+0 read(4, NULL, 10) = -1 EFAULT")).toBe(
    "passed",
  );
  expect(runOpen("+0 write(4, NULL, 10) = 10")).toContain("expected result 10, got -1 EFAULT");
});

describe("IPv6", () => {
  const options = { ip_version: "ipv6", mtu: "1520" };

  test("the same script, of an MTU that leaves the same MSS", () => {
    expect(runOpen("+0 write(4, ..., 10) = 10\n+0 > P. 1:11(10) ack 1", { options })).toBe(
      "passed",
    );
  });

  test.each([
    [
      "+0 < [1:1(0)] icmp unreachable frag_needed mtu 1280",
      "icmp unreachable frag_needed: expected",
    ],
    ["+0 < [1:1(0)] icmp source_quench", "icmp source_quench: expected an error of ICMPv6"],
    [
      "+0 write(4, ..., 10) = 10\n+0 > [ttl 63,tos 1] P. 1:11(10) ack 1",
      "TOS: expected 1, got 0; TTL: expected 63, got 64",
    ],
  ])("%j", (text, message) => {
    expect(runOpen(text, { options })).toContain(message);
  });

  test("an error of IPv6's is none of IPv4's", () => {
    const text = "+0 < [1:1(0)] icmp packet_too_big mtu 1280";
    expect(runOpen(text)).toContain("icmp packet_too_big: expected an error of ICMP for IPv4");
  });
});

test("payload is compared byte by byte: what the peer repeats with other bytes is seen", () => {
  // The stack keeps the first bytes of an overlap; ours are equal, so only the count is wrong.
  expect(
    runOpen("+0 < . 1:101(100) ack 1 win 9\n+0.2 > . 1:1(0) ack 101\n+0 read(4, ..., 50) = 50"),
  ).toBe("passed");
  expect(runOpen('+0 write(4, "abcde", 5) = 5\n+0 > P. 1:6(5) ack 1')).toBe("passed");
});

test("the same script gives the same packets at the same times", () => {
  const capture = (): string => {
    const parts: Uint8Array[] = [];
    const writer = new PcapngWriter({ sink: (bytes) => parts.push(bytes.slice()), snap: "full" });
    expect(runOpen("+0 write(4, ..., 10) = 10\n+0 > P. 1:11(10) ack 1", { capture: writer })).toBe(
      "passed",
    );
    writer.flush();
    expect(writer.frames).toBe(4);
    return Buffer.concat(parts).toString("hex");
  };
  expect(capture()).toBe(capture());
});

describe("segments of the script that are several of the stack's", () => {
  const text = (last: string): string => `+0 write(4, ..., 3000) = 3000\n+0 > ${last}`;
  const options = { merge_segments: "1" };

  test("are merged when it is asked for", () => {
    expect(runOpen(text("P. 1:3001(3000) ack 1"), { options })).toBe("passed");
    expect(runOpen(text("P. 1:3001(3000) ack 1"))).toContain("payload length: expected 3000, got");
    const two = "+0 write(4, ..., 3000) = 3000\n+0 > . 1:2001(2000) ack 1\n+0 > P. 2001:3001(1000)";
    expect(runOpen(`${two} ack 1`, { options })).toBe("passed");
  });

  test.each([
    ["P. 1:3000(2999) ack 1", "payload length: expected 2999, got 3000"],
    ["P. 1:3002(3001) ack 1", "payload length: expected 3001, got 3000"],
    ["P. 1:3001(3000) ack 2", "ack: expected 2, got 1"],
    ["F. 1:3001(3000) ack 1", "flags: expected F., got P."],
    ["P. 2:3001(2999) ack 1", "sequence: expected 2, got 1"],
  ])("%s is not what they are", (packet, message) => {
    expect(runOpen(text(packet), { options })).toContain(message);
  });
});

test("PSH is not looked at where segments are merged, and is where they are not", () => {
  const text = "+0 write(4, ..., 100) = 100\n+0 > . 1:101(100) ack 1";
  expect(runOpen(text, { options: { merge_segments: "1" } })).toBe("passed");
  expect(runOpen(text)).toContain("flags: expected ., got P.");
  const strict = { merge_segments: "1", strict_segments: "1" };
  expect(runOpen(text, { options: strict })).toContain("flags: expected ., got P.");
});

test("packets behind the last event may be let go", () => {
  expect(runOpen("+0 write(4, ..., 10) = 10", { ignoreRest: true })).toBe("passed");
});

describe("npm run packetdrill", () => {
  const folder = temporaryFolder("packetdrill");
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const good = file("good.pkt", OPEN);
  const bad = file("bad.pkt", `${OPEN}\n+0 close(4) = 1\n`);
  const broken = file("broken.pkt", "0 what\n");

  function command(...words: string[]): { code: number; log: string[]; error: string[] } {
    const log: string[] = [];
    const error: string[] = [];
    const code = packetdrill([...words, `--pcap=${folder}`], {
      log: (line) => log.push(line),
      error: (line) => error.push(line),
    });
    return { code, log, error };
  }

  test("all passed", () => {
    for (const datapath of ["flextoe", "laminar", "laminar-relaxed"]) {
      const result = command(good, good, "--datapath", datapath);
      expect(result).toEqual({ code: 0, log: ["2 passed, 0 failed"], error: [] });
    }
  });

  test("a failure: message, capture, count, exit code", () => {
    const { code, log } = command(good, bad, broken);
    expect(code).toBe(1);
    const capture = join(folder, "bad.pcapng");
    expect(log).toEqual([
      `${bad}:8: close: expected result 1, got 0`,
      `  capture  ${capture}`,
      `${broken}:2: expected (, got the end of the script`,
      "1 passed, 2 failed",
    ]);
    expect(readFileSync(capture).readUInt32LE(0)).toBe(0x0a0d0d0a);
  });

  test("--json: one object as the last line", () => {
    const { code, log } = command(bad, "--json", "--datapath=laminar-relaxed");
    expect(code).toBe(1);
    expect(JSON.parse(log.at(-1) as string)).toEqual({
      passed: 0,
      failed: 1,
      datapath: "laminar-relaxed",
      failures: [
        {
          file: bad,
          line: 8,
          reason: "close: expected result 1, got 0",
          pcapng: join(folder, "bad.pcapng"),
        },
      ],
    });
  });

  test.each([
    [
      ["--datapath", "tofino", good],
      "expected --datapath flextoe|laminar|laminar-relaxed, got tofino",
    ],
    [["--fast", good], "expected an option (see --help), got --fast"],
    [[], "expected FILE..., got none"],
    [[join(folder, "none.pkt")], "expected a readable file: ENOENT"],
  ])("%j: exit code 2", (words, message) => {
    const { code, error } = command(...words);
    expect(code).toBe(2);
    expect(error.join("\n")).toContain(message);
  });
});

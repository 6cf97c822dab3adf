/**
 * The syntax tree of a packetdrill script: options, set-up commands and events, each with the line
 * it starts at. The language is packetdrill's (Cardwell et al., USENIX ATC 2013); times are
 * nanoseconds, sequence numbers as written. Types, and the error that names a line.
 */

/** What is wrong with a script, or with what happened: `file:line: message`. */
export class ScriptError extends Error {
  readonly file: string;
  readonly line: number;
  /** Without file and line. */
  readonly reason: string;

  constructor(file: string, line: number, reason: string) {
    super(`${file}:${line}: ${reason}`);
    this.name = "ScriptError";
    this.file = file;
    this.line = line;
    this.reason = reason;
  }
}

/**
 * When an event is due. "at": `0.1` or `+0.1`; "range": `0.1~0.2`, outbound packets only; "span":
 * `0.1...0.2`, a call that blocks from the first time to the second; "any": `*`.
 */
export interface EventTime {
  readonly form: "at" | "range" | "span" | "any";
  /** Counted from the event before. */
  readonly relative: boolean;
  /** ns. */
  readonly from: number;
  /** ns; `from` again where there is one time only. */
  readonly to: number;
}

/** A TCP option as bytes; numbers that the two sides choose freely have a kind of their own. */
export type OptionPattern =
  /** "md5" is RFC 2385's, whose digest no script gives: zeros. */
  | { readonly kind: "eol" | "nop" | "sackOK" | "md5" }
  | { readonly kind: "mss" | "wscale"; readonly value: number }
  | { readonly kind: "TS"; readonly value: number; readonly echo: number }
  | { readonly kind: "sack"; readonly blocks: readonly (readonly [number, number])[] }
  /** TCP Fast Open's cookie (RFC 7413, 4.1.1), and as the experiment that it was. */
  | { readonly kind: "FO" | "FOEXP"; readonly cookie: readonly number[] }
  | { readonly kind: "raw"; readonly number: number; readonly bytes: readonly number[] };

/** What `[...]` says about the IP header; what is not said is not looked at. */
export interface IpPattern {
  /** 0 not-ECT, 1 ECT(1), 2 ECT(0), 3 CE. */
  readonly ecn?: number;
  readonly tos?: number;
  readonly ttl?: number;
}

export interface TcpPattern {
  readonly protocol: "tcp";
  readonly ip: IpPattern;
  readonly flags: number;
  readonly seq: number;
  readonly length: number;
  readonly ack: number | undefined;
  /** The header's field, not scaled; undefined: not looked at, or 65535 of a packet sent. */
  readonly window: number | undefined;
  readonly urgent: number;
  /** "any" for `<...>`. */
  readonly options: readonly OptionPattern[] | "any";
}

/** What an ICMP error quotes: a segment, or a datagram, which has no sequence number. */
export interface QuotedPattern {
  readonly seq: number | undefined;
  readonly length: number;
}

/** An ICMP error that quotes a packet of the other side's. */
export interface IcmpPattern {
  readonly protocol: "icmp";
  readonly ip: IpPattern;
  /** Names of icmp-numbers.ts; `code` is empty where there is one only. */
  readonly type: string;
  readonly code: string;
  /** Of "fragmentation needed" and "packet too big"; 0 otherwise. */
  readonly mtu: number;
  readonly quoted: QuotedPattern;
}

/** A datagram for the stack, which has no UDP: what it answers is an ICMP error. */
export interface UdpPattern {
  readonly protocol: "udp";
  readonly ip: IpPattern;
  readonly length: number;
}

export interface PacketEvent {
  readonly kind: "packet";
  readonly line: number;
  readonly time: EventTime;
  /** As seen from the stack. */
  readonly direction: "inbound" | "outbound";
  readonly packet: TcpPattern | IcmpPattern | UdpPattern;
}

/** A value in a call's arguments. */
export type Value =
  | { readonly kind: "ellipsis" }
  | { readonly kind: "null" }
  | { readonly kind: "number"; readonly value: number }
  | { readonly kind: "text"; readonly value: string }
  | { readonly kind: "list"; readonly items: readonly Value[] }
  | { readonly kind: "record"; readonly fields: ReadonlyMap<string, Value> };

export interface CallEvent {
  readonly kind: "call";
  readonly line: number;
  readonly time: EventTime;
  readonly name: string;
  readonly parameters: readonly Value[];
  /** undefined: `?`, any result. */
  readonly result: number | undefined;
  /** Name after a result of -1. */
  readonly errno: string | undefined;
}

/** An expression of an assertion. */
export type Expression =
  | { readonly kind: "number"; readonly value: number }
  | { readonly kind: "text"; readonly value: string }
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "unary"; readonly operator: string; readonly operand: Expression }
  | {
      readonly kind: "binary";
      readonly operator: string;
      readonly left: Expression;
      readonly right: Expression;
    }
  | {
      readonly kind: "comparison";
      readonly operands: readonly Expression[];
      readonly operators: readonly string[];
    }
  | {
      readonly kind: "function";
      readonly name: string;
      readonly parameters: readonly Expression[];
    };

export interface Assertion {
  readonly line: number;
  /** The condition as it was written. */
  readonly text: string;
  readonly condition: Expression;
  readonly message: Expression | undefined;
}

/** `NAME = expression`: a name for the assertions behind it. */
export interface Assignment {
  readonly line: number;
  readonly name: string;
  readonly value: Expression;
}

export type Statement = Assertion | Assignment;

/** `%{ assert ... }%`: looked at when its time comes. */
export interface AssertionEvent {
  readonly kind: "assertions";
  readonly line: number;
  readonly time: EventTime;
  readonly statements: readonly Statement[];
}

/** A command in backquotes. */
export interface CommandEvent {
  readonly kind: "command";
  readonly line: number;
  readonly time: EventTime;
  readonly text: string;
}

export type ScriptEvent = PacketEvent | CallEvent | AssertionEvent | CommandEvent;

export interface ScriptOption {
  readonly line: number;
  readonly name: string;
  readonly value: string;
}

export interface Script {
  readonly file: string;
  readonly options: readonly ScriptOption[];
  /** Commands before the first event that has a time. */
  readonly setup: readonly CommandEvent[];
  readonly events: readonly ScriptEvent[];
}

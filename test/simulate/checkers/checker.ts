/**
 * What a checker is: it sees every frame on the wire, every poll of a host and the rest at the
 * end, and reports what breaks an invariant of the table in README.md. Checkers read frames,
 * results of socket calls, public counters, TCP_INFO and the tables of bindings/abi; none of them
 * knows how TCP is made here.
 */
import type { Stack } from "../../../host/stack.ts";
import type { Plan } from "../plan.ts";
import type { Withheld } from "../shortages.ts";
import type { FlowBook, Side } from "./flow-book.ts";
import type { Segment } from "./reference-parser.ts";

/** Invariants of the harness; the texts are in the table of README.md. */
export type Invariant =
  `I${1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 | 13 | 14 | 15 | 16 | 17}`;

export interface Violation {
  readonly invariant: Invariant;
  /** ns */
  readonly at: number;
  readonly text: string;
}

/** A frame that a stack sends or that reaches it; valid during the call. */
export interface Frame {
  readonly host: number;
  readonly now: number;
  readonly bytes: Uint8Array;
  readonly segment: Segment;
  /** The host's own side of its connection; undefined: of none that was seen to begin. */
  readonly side: Side | undefined;
}

export interface Scene {
  readonly plan: Plan;
  readonly book: FlowBook;
  /** One for each host of the plan. */
  readonly stacks: readonly Stack[];
  /** Calls that applications have made of a host's sockets. */
  readonly calls: readonly number[];
  /** What was taken of a host's pools, and will be given back. */
  withheld(host: number): Withheld;
  report(invariant: Invariant, text: string): void;
}

/** Every hook is optional. A frame is noted in the book after sent() and before arrived(). */
export interface Checker {
  sent?(frame: Frame): void;
  arrived?(frame: Frame): void;
  /** After a poll of a host and its applications; the frames before it have been processed. */
  polled?(host: number, now: number): void;
  /** After a poll whose clock had gone back: times of the records may lie ahead of its own. */
  polledBehind?(host: number): void;
  /** Once, when all is closed and every timer has passed. */
  atRest?(): void;
}

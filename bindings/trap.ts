/**
 * What follows a trap (threats W7): the instance is fenced. Nothing runs in it again, since what a
 * trap leaves half-written is nobody's to use. Its exports answer from then on that there is
 * nothing and that nothing begins, so that the stacks over it can tell their sockets and let go.
 */
import { InstallStatus } from "./abi/descriptor.ts";

/** An assertion of the debug build does not hold: ends the instance as a trap does. */
export class CoreAssertion extends Error {}

const nothing = (): number => 0;
/** What else than 0 an export answers in a fenced instance. */
const DOWN: Readonly<Record<string, () => number>> = {
  bind: () => InstallStatus.Down,
  install: () => InstallStatus.Down,
  nextDeadline: () => Number.POSITIVE_INFINITY,
};

/** Of an instance; its cores share it. */
export class Fence {
  /** The trap's message; undefined while the instance runs. */
  reason: string | undefined;
  readonly #exports: Record<string, unknown>;
  readonly #told: (() => void)[] = [];

  /** `exports` change when the fence is raised: they are called through the object. */
  constructor(exports: object) {
    this.#exports = exports as Record<string, unknown>;
  }

  /** `wake` is called once, when the instance is fenced. */
  onRaised(wake: () => void): void {
    this.#told.push(wake);
  }

  /** Raises the fence when an export has thrown a trap; `error`, for the caller to throw on. */
  trapped(error: unknown): unknown {
    if (error instanceof WebAssembly.RuntimeError || error instanceof CoreAssertion) {
      this.#raise(error.message);
    }
    return error;
  }

  #raise(reason: string): void {
    if (this.reason !== undefined) return;
    this.reason = reason;
    for (const name of Object.keys(this.#exports)) {
      if (typeof this.#exports[name] === "function") this.#exports[name] = DOWN[name] ?? nothing;
    }
    for (const wake of this.#told) wake();
  }
}

/**
 * A script's descriptors are names: `socket(...) = 3` calls whatever libTOE gives "3", and later
 * calls mean that one.
 */
import type { CallArguments } from "./call-arguments.ts";
import type { CallEvent } from "./script.ts";

export class ScriptDescriptors {
  readonly #live = new Map<number, number>();

  /** Names libTOE's descriptor by the result that the script expects; the call's result. */
  name(event: CallEvent, fd: number): number {
    if (fd < 0 || event.result === undefined || event.result < 0) return fd;
    this.#live.set(event.result, fd);
    return event.result;
  }

  /** libTOE's descriptor for the script's. */
  of(name: number): number {
    // What the script never opened is passed on: EBADF is a result like any other.
    return this.#live.get(name) ?? Number.MAX_SAFE_INTEGER;
  }

  /** The descriptor that an argument names. */
  at(args: CallArguments, index = 0): number {
    return this.of(args.number(index));
  }

  forget(name: number): void {
    this.#live.delete(name);
  }
}

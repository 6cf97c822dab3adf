/** The arguments of a call, read as what the call wants; a wrong one is an error with its line. */
import type { SocketAddress } from "../libtoe/calls.ts";
import { type CallEvent, ScriptError, type Value } from "./script.ts";

const U16 = 65535;

export class CallArguments {
  readonly event: CallEvent;
  readonly #file: string;

  constructor(file: string, event: CallEvent) {
    this.#file = file;
    this.event = event;
  }

  /** Throws ScriptError: `file:line: name: reason`. */
  fail(reason: string): never {
    const { line, name } = this.event;
    throw new ScriptError(this.#file, line, `${name}: ${reason}`);
  }

  get count(): number {
    return this.event.parameters.length;
  }

  /** Throws unless there are so many. */
  need(count: number): void {
    if (this.count < count) this.fail(`expected ${count} arguments, got ${this.count}`);
  }

  at(index: number): Value {
    const value = this.event.parameters[index];
    return value ?? this.fail(`expected an argument ${index + 1}, got ${this.count}`);
  }

  number(index: number): number {
    return this.numberIn(this.at(index), `argument ${index + 1}`);
  }

  numberIn(value: Value | undefined, what: string): number {
    if (value?.kind === "number") return value.value;
    return this.fail(`expected a number as ${what}`);
  }

  /** The number within `[...]`, or alone; undefined for `...` and what is left out. */
  expectedNumber(index: number): number | undefined {
    const value = this.event.parameters[index];
    if (value === undefined || value.kind === "ellipsis") return undefined;
    const inner = value.kind === "list" ? value.items[0] : value;
    if (inner === undefined || inner.kind === "ellipsis") return undefined;
    return this.numberIn(inner, `argument ${index + 1}`);
  }

  list(value: Value, what: string): readonly Value[] {
    return value.kind === "list" ? value.items : this.fail(`expected [...] as ${what}`);
  }

  record(value: Value | undefined, what: string): ReadonlyMap<string, Value> {
    return value?.kind === "record" ? value.fields : this.fail(`expected {...} as ${what}`);
  }

  /** A sockaddr_in or sockaddr_in6; `fallback` for `...`. */
  address(index: number, fallback: SocketAddress): SocketAddress {
    const value = this.at(index);
    if (value.kind === "ellipsis") return fallback;
    const fields = this.record(value, `argument ${index + 1}`);
    const port = fields.get("sin_port") ?? fields.get("sin6_port");
    const name = fields.get("sin_addr") ?? fields.get("sin6_addr");
    const number = port === undefined ? fallback.port : this.numberIn(port, "sin_port");
    if (number < 0 || number > U16) this.fail(`expected a port 0..${U16}, got ${number}`);
    if (name === undefined) return { ...fallback, port: number };
    if (name.kind === "text") return { address: name.value, port: number };
    // INADDR_ANY.
    if (name.kind === "number" && name.value === 0) {
      return { address: fallback.address.includes(":") ? "::" : "0.0.0.0", port: number };
    }
    return this.fail("expected inet_addr(...) as sin_addr");
  }

  /** Lengths of an iovec array: [{..., 10}, {..., 20}]. */
  spans(value: Value): { text: string | undefined; length: number }[] {
    return this.list(value, "the spans").map((item) => {
      const fields = [...this.record(item, "a span").values()];
      const text = fields[0]?.kind === "text" ? fields[0].value : undefined;
      return { text, length: this.numberIn(fields[1], "a span's length") };
    });
  }
}

/**
 * A host of the simulation: a stack, a listener and the ends of its connections, polled as one.
 * The checkers look at it after each poll.
 */
import { ERRNO } from "../../host/errors.ts";
import { AF_INET, AF_INET6 } from "../../host/libtoe/constants.ts";
import type { LibToe } from "../../host/libtoe/libtoe.ts";
import type { Stack } from "../../host/stack.ts";
import type { Host } from "../../host/world.ts";
import { ConnectionEnd, type EndContext, type Ends } from "./connection-end.ts";
import type { EndPlan, HostPlan, OptionPlan } from "./plan.ts";

export interface SimulatedHostOptions {
  readonly index: number;
  readonly plan: HostPlan;
  readonly stack: Stack;
  readonly context: EndContext;
  /** Of the host of an index. */
  addressOf(host: number): string;
  /** Plan of the connection that has come from there. */
  planOf(remote: number, port: number): EndPlan | undefined;
  /** A new end. */
  opened(end: ConnectionEnd): void;
  polled(host: number, now: number): void;
}

function endOf(
  name: { readonly address: string; readonly port: number } | number,
): [number, number] {
  if (typeof name === "number") return [0, 0];
  const isIpv6 = name.address.includes(":");
  const last = name.address.split(isIpv6 ? ":" : ".").at(-1) ?? "";
  return [Number.parseInt(last, isIpv6 ? 16 : 10), name.port];
}

function endsOf(toe: LibToe, fd: number): Ends {
  const [local, localPort] = endOf(toe.getsockname(fd));
  const [remote, remotePort] = endOf(toe.getpeername(fd));
  return { local, localPort, remote, remotePort };
}

export class SimulatedHost implements Host {
  readonly stack: Stack;
  readonly ends: ConnectionEnd[] = [];
  /** The faults are over. */
  hurry = false;
  readonly #options: SimulatedHostOptions;
  readonly #listener: number;
  readonly #domain: number;
  #wake: () => void = () => undefined;

  constructor(options: SimulatedHostOptions) {
    this.#options = options;
    this.stack = options.stack;
    const { toe } = this.stack;
    const { port, backlog, options: chosen } = options.plan;
    this.#domain = options.addressOf(0).includes(":") ? AF_INET6 : AF_INET;
    this.#listener = toe.socket(this.#domain);
    this.#set(this.#listener, chosen);
    toe.bind(this.#listener, { address: this.#domain === AF_INET6 ? "::" : "0.0.0.0", port });
    toe.listen(this.#listener, backlog);
  }

  /** Starts a connection to a host; how it goes, its end reports. */
  connect(
    to: number,
    port: number,
    plan: EndPlan,
    now: number,
    localPort = 0,
  ): ConnectionEnd | undefined {
    const { toe } = this.stack;
    const fd = toe.socket(this.#domain);
    if (fd < 0) return undefined;
    const address = this.#options.addressOf(this.#options.index);
    if (localPort !== 0) toe.bind(fd, { address, port: localPort });
    this.#set(fd, plan.options);
    this.#options.context.called();
    const answer = toe.connect(fd, { address: this.#options.addressOf(to), port });
    if (answer !== -ERRNO.EINPROGRESS) {
      toe.close(fd);
      return undefined;
    }
    const ends = { ...endsOf(toe, fd), remote: to + 1, remotePort: port };
    return this.#add(fd, ends, plan, now);
  }

  /** Something outside has changed what it may do. */
  wake(): void {
    this.#wake();
  }

  /** Stops to listen. */
  closeListener(): void {
    this.stack.toe.close(this.#listener);
  }

  poll(now: number): boolean {
    const more = this.stack.poll(now);
    const worked = this.#run(now);
    this.#options.polled(this.#options.index, now);
    return more || worked;
  }

  nextDeadline(): number {
    let next = this.stack.nextDeadline();
    for (const end of this.ends) if (!end.finished) next = Math.min(next, end.wakeAt);
    if (!this.hurry && this.#acceptsLater) next = Math.min(next, this.#options.plan.acceptAt);
    return next;
  }

  onWake(wake: () => void): void {
    this.#wake = wake;
    this.stack.onWake(wake);
  }

  /** From now on nobody pauses. */
  stopPauses(): void {
    this.hurry = true;
    for (const end of this.ends) end.hurry = true;
    this.#wake();
  }

  #acceptsLater = false;

  #run(now: number): boolean {
    let worked = this.#accept(now);
    for (const end of this.ends) worked = end.run(now) || worked;
    return worked;
  }

  #accept(now: number): boolean {
    this.#acceptsLater = !this.hurry && now < this.#options.plan.acceptAt;
    if (this.#acceptsLater) return false;
    const { toe } = this.stack;
    const fd = toe.accept(this.#listener);
    if (fd < 0) return false;
    const ends = endsOf(toe, fd);
    const plan = this.#options.planOf(ends.remote, ends.remotePort);
    if (plan === undefined || ends.remote === 0) {
      // Its client is gone, and with it the plan.
      toe.close(fd);
      return true;
    }
    this.#set(fd, plan.options);
    this.#add(fd, ends, plan, now);
    return true;
  }

  #add(fd: number, ends: Ends, plan: EndPlan, now: number): ConnectionEnd {
    const end = new ConnectionEnd(this.#options.context, fd, ends, plan, now);
    end.hurry = this.hurry;
    this.ends.push(end);
    this.#options.opened(end);
    return end;
  }

  #set(fd: number, options: readonly OptionPlan[]): void {
    for (const { level, name, value } of options) {
      this.#options.context.called();
      this.stack.toe.setsockopt(fd, level, name, value);
    }
  }
}

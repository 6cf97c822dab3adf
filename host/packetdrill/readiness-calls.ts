/** poll() and epoll of a script: readiness now, or within a timeout of virtual time. */
import type { EpollEvent } from "../libtoe/epoll.ts";
import type { LibToe } from "../libtoe/libtoe.ts";
import type { PollEntry } from "../libtoe/poll.ts";
import type { CallArguments } from "./call-arguments.ts";
import type { Value } from "./script.ts";
import type { ScriptDescriptors } from "./script-descriptors.ts";

/** A call under way. */
export interface StartedCall {
  /** The result, a negative errno included; undefined while it has to wait. */
  readonly attempt: (expired: boolean) => number | undefined;
  /** ns after its start at which attempt(true) ends it; Infinity without such a time. */
  readonly timeout: number;
}

const MILLISECOND = 1e6;

function limit(timeoutMs: number): number {
  return timeoutMs > 0 ? timeoutMs * MILLISECOND : Number.POSITIVE_INFINITY;
}

/** `poll([{fd=4, events=POLLIN, revents=POLLIN}], 1, 1000)`. */
export function poll(toe: LibToe, known: ScriptDescriptors, args: CallArguments): StartedCall {
  args.need(3);
  const rows = args.list(args.at(0), "the descriptors").map((item) => {
    const fields = args.record(item, "a descriptor");
    const field = (name: string): number => args.numberIn(fields.get(name), name);
    const wanted = fields.has("revents") ? field("revents") : undefined;
    const entry: PollEntry = { fd: known.of(field("fd")), events: field("events"), revents: 0 };
    return { entry, wanted, name: field("fd") };
  });
  const timeout = args.number(2);
  const entries = rows.map(({ entry }) => entry);
  const attempt = (expired: boolean): number | undefined => {
    const ready = toe.pollFds(entries);
    if (ready === 0 && timeout !== 0 && !expired) return undefined;
    for (const { entry, wanted, name } of rows) {
      if (wanted !== undefined && wanted !== entry.revents) {
        args.fail(`expected revents ${wanted} of ${name}, got ${entry.revents}`);
      }
    }
    return ready;
  };
  return { attempt, timeout: limit(timeout) };
}

/** The one record, or those of a list; none for `...`. */
function records(args: CallArguments, value: Value): ReadonlyMap<string, Value>[] {
  if (value.kind === "ellipsis") return [];
  const items = value.kind === "list" ? value.items : [value];
  return items.map((item) => args.record(item, "an event"));
}

function field(args: CallArguments, event: ReadonlyMap<string, Value>, names: string[]): number {
  const found = names.map((name) => event.get(name)).find((value) => value !== undefined);
  return args.numberIn(found, names.join(" or "));
}

/** Names that scripts use for the application's own word, which here is the descriptor's name. */
const OWN = ["fd", "ptr", "u32", "u64"];

/** `epoll_ctl(5, EPOLL_CTL_ADD, 4, {events=EPOLLIN|EPOLLET, fd=4})`. */
export function epollControl(toe: LibToe, known: ScriptDescriptors, args: CallArguments): number {
  args.need(4);
  const [event] = records(args, args.at(3));
  const fd = known.at(args, 2);
  const asked = event && {
    events: field(args, event, ["events"]),
    data: OWN.some((name) => event.has(name)) ? field(args, event, OWN) : args.number(2),
  };
  return toe.epollCtl(known.at(args), args.number(1), fd, asked);
}

/** `epoll_wait(5, {events=EPOLLIN, fd=4}, 1, 0)`: the events in the order in which they come. */
export function epollWait(toe: LibToe, known: ScriptDescriptors, args: CallArguments): StartedCall {
  args.need(4);
  const wanted = records(args, args.at(1));
  const [most, timeout] = [args.number(2), args.number(3)];
  const events: EpollEvent[] = [];
  const attempt = (expired: boolean): number | undefined => {
    const ready = toe.epollWait(known.at(args), events, most);
    if (ready === 0 && timeout !== 0 && !expired) return undefined;
    wanted.slice(0, Math.max(0, ready)).forEach((event, i) => {
      const got = events[i];
      const bits = field(args, event, ["events"]);
      if (got?.events !== bits) args.fail(`expected events ${bits}, got ${got?.events}`);
      const own = OWN.some((name) => event.has(name)) ? field(args, event, OWN) : got.data;
      if (got.data !== own) args.fail(`expected an event of ${own}, got ${String(got.data)}`);
    });
    return ready;
  };
  return { attempt, timeout: limit(timeout) };
}

/**
 * Mutants of a script: each changes one thing that the script expects, and an interpreter that
 * looks at it must fail. Works on the text, line by line, so that it shares nothing with the
 * parser. What a script leaves open (`<...>`, `*`, no window) has no mutant.
 */
export interface Mutant {
  /** Line that was changed, from 1. */
  readonly line: number;
  readonly what: string;
  readonly text: string;
}

interface Change {
  readonly what: string;
  readonly line: string;
}

const OUTBOUND =
  /^(\S+) > (\[[^\]]*\] )?([SFRP.UEW]+|-) (\d+):(\d+)\((\d+)\)( ack \d+)?( win \d+)?( <.*>)?\s*$/;
const OUTBOUND_ICMP = /^(\S+) > (\[udp \((\d+)\)\]) icmp (\S+) (\S+)$/;
const CALL = /^(\S+) ([a-z_0-9]+)\((.*)\) = (-?\d+|0x[0-9a-f]+)( E[A-Z]+)?( .*)?$/;
/** Results that name a descriptor. */
const NAMES = ["socket", "accept", "epoll_create1"];
/** What a call gives back through its arguments, behind a name or the name of an option. */
const GIVEN = /(revents=|S[A-Z_]+, \[|TCP_[A-Z]+, \[)([A-Z_|]+|\d+)/g;
/** The events of epoll_wait(), when it gives one. */
const EVENTS = /(\{events=)([A-Z|]+)/g;
const LATER = 0.05;
const FLAGS = "SFRPUEW.";
const SPACE = 2 ** 32;

function shifted(time: string, by: number): string {
  return time.replace(/[0-9]+(\.[0-9]+)?/g, (one) => (Number(one) + by).toFixed(6));
}

function timeChanges(line: string, time: string): Change[] {
  if (time === "*") return [];
  const [from = 0, to = from] = time.split("~").map((one) => Number(one.replace("+", "")));
  // All of a range has to go beyond it.
  const width = to - from;
  const found = [{ what: "time later", line: line.replace(time, shifted(time, LATER + width)) }];
  if (from < LATER + width) return found;
  const earlier = shifted(time, -LATER - width);
  return [...found, { what: "time earlier", line: line.replace(time, earlier) }];
}

function flagChanges(line: string, flags: string, ack: string): Change[] {
  return [...FLAGS].map((flag) => {
    const without = flags.replace(flag, "");
    const changed = without === flags ? flags + flag : without || "-";
    let mutant = line.replace(` ${flags} `, ` ${changed} `);
    // The language wants both or none.
    if (flag === "." && without !== flags) mutant = mutant.replace(ack, "");
    return { what: `flag ${flag}`, line: mutant };
  });
}

function rangeChanges(line: string, range: string, start: number, length: number): Change[] {
  const ranged = (seq: number, bytes: number): string => {
    const from = (seq + SPACE) % SPACE;
    return line.replace(range, `${from}:${(from + bytes) % SPACE}(${bytes})`);
  };
  const found = [
    { what: "sequence + 1", line: ranged(start + 1, length) },
    { what: "sequence - 1", line: ranged(start - 1, length) },
    { what: "payload length + 1", line: ranged(start, length + 1) },
  ];
  if (length > 0) found.push({ what: "payload length - 1", line: ranged(start, length - 1) });
  return found;
}

function numberChanges(line: string, field: string | undefined): Change[] {
  if (field === undefined) return [];
  const [name, text] = field.trim().split(" ") as [string, string];
  return [1, -1].flatMap((by) => {
    const value = (Number(text) + by + SPACE) % SPACE;
    if (name === "win" && value > 65535) return [];
    const what = `${name} ${by > 0 ? "+" : "-"} 1`;
    return [{ what, line: line.replace(field, ` ${name} ${value}`) }];
  });
}

function optionChanges(line: string, options: string | undefined): Change[] {
  if (options === undefined) return [{ what: "option more", line: `${line} <nop>` }];
  if (options.includes("...")) return [];
  const list = options.trim().slice(1, -1).split(",");
  const put = (items: readonly string[]): string => {
    return line.replace(options, items.length > 0 ? ` <${items.join(",")}>` : "");
  };
  const found: Change[] = [{ what: "option more", line: put([...list, "nop"]) }];
  list.forEach((option, at) => {
    const others = list.filter((_, i) => i !== at);
    found.push({ what: `option ${option} left out`, line: put(others) });
    for (const number of option.matchAll(/\d+/g)) {
      const { index } = number;
      // Beyond the tolerance of a TSval, which is a time.
      const value = Number(number[0]) + (option.startsWith("TS val") ? 100 : 1);
      const changed = option.slice(0, index) + value + option.slice(index + number[0].length);
      const items = list.map((one, i) => (i === at ? changed : one));
      found.push({ what: `option ${option} as ${changed}`, line: put(items) });
    }
  });
  return found;
}

function ecnChanges(line: string, ip: string | undefined): Change[] {
  const names = ["noecn", "ect0", "ect1", "ce"];
  const name = names.find((one) => ip?.includes(one));
  if (name === undefined) return [];
  return names
    .filter((one) => one !== name)
    .map((one) => ({ what: `ECN ${one}`, line: line.replace(name, one) }));
}

/** TTL and TOS, where the line has them. */
function headerChanges(line: string, ip: string | undefined): Change[] {
  return [...(ip ?? "").matchAll(/(ttl|tos) (0x[0-9a-f]+|\d+)/g)].map(([field, name, number]) => {
    return { what: `IP ${name}`, line: line.replace(field, `${name} ${Number(number) ^ 8}`) };
  });
}

function packetChanges(line: string): Change[] {
  const found = OUTBOUND.exec(line);
  if (found === null) return [];
  const [, time = "", ip, flags = "", start, end, length, ack = "", win, options] = found;
  const range = `${start}:${end}(${length})`;
  return [
    ...timeChanges(line, time),
    ...ecnChanges(line, ip),
    ...headerChanges(line, ip),
    ...flagChanges(line, flags, ack),
    ...rangeChanges(line, range, Number(start), Number(length)),
    ...(flags.includes(".") ? numberChanges(line, ack || undefined) : []),
    ...numberChanges(line, win),
    ...optionChanges(line, options),
  ];
}

function icmpChanges(line: string): Change[] {
  const found = OUTBOUND_ICMP.exec(line);
  if (found === null) return [];
  const [, time = "", quoted = "", bytes, type, code] = found;
  return [
    ...timeChanges(line, time),
    { what: "ICMP quoted bytes", line: line.replace(quoted, `[udp (${Number(bytes) + 1})]`) },
    {
      what: "ICMP quoted protocol",
      line: line.replace(quoted, `[1:${Number(bytes) + 1}(${bytes})]`),
    },
    { what: "ICMP type", line: line.replace(`${type} ${code}`, "time_exceeded") },
    { what: "ICMP code", line: line.replace(` ${code}`, " host_unreachable") },
    { what: "ICMP mtu", line: `${line} mtu 1280` },
    { what: "ICMP for a segment", line: `${time} > . 1:1(0) ack 1` },
  ];
}

function callChanges(line: string): Change[] {
  const found = CALL.exec(line);
  if (found === null) return [];
  const [, time = "", name = "", parameters = "", result, errno, rest = ""] = found;
  const before = `${time} ${name}(${parameters}) = `;
  const changes: Change[] = [];
  if (errno !== undefined) changes.push({ what: "errno", line: `${before}-1 EIO${rest}` });
  else if (!NAMES.includes(name)) {
    changes.push({ what: "result + 1", line: `${before}${Number(result) + 1}${rest}` });
  }
  const events = name === "epoll_wait" && result !== "0" ? parameters.matchAll(EVENTS) : [];
  const given = /^(poll|ioctl|getsockopt)$/.test(name) ? parameters.matchAll(GIVEN) : [];
  for (const [whole, field, value] of [...events, ...given]) {
    const other = value === "0" ? "1" : "0";
    changes.push({ what: `given ${field}`, line: line.replace(whole, `${field}${other}`) });
  }
  if (time.includes("...")) {
    const [from = "", to = ""] = time.split("...");
    const later = `${from}...${shifted(to, LATER)}`;
    changes.push({ what: "return later", line: line.replace(time, later) });
  }
  return changes;
}

/** A number that an assertion gives a name. */
const ASSIGNED = /^(?:\S+ )?(?:%\{ ?)?([A-Za-z]\w* [-+*]?= )(0x[0-9a-f]+|\d+)/;

function assertionChanges(line: string): Change[] {
  const assigned = ASSIGNED.exec(line);
  if (assigned !== null) {
    const [, before = "", number = ""] = assigned;
    const mutant = line.replace(before + number, `${before}${Number(number) + 1}`);
    return [{ what: `assertion: ${before}`, line: mutant }];
  }
  if (!line.includes("assert") || line.startsWith("//")) return [];
  if (!line.includes("==")) {
    const mutant = line.replace(/assert ([^,}]*)/, "assert not ($1)");
    return [{ what: "assertion turned", line: mutant }];
  }
  return [...line.matchAll(/==/g)].map(({ index }) => {
    const mutant = `${line.slice(0, index)}!=${line.slice(index + 2)}`;
    return { what: `assertion at column ${index}`, line: mutant };
  });
}

/** Every mutant of a script. */
export function mutants(script: string): Mutant[] {
  const lines = script.split("\n");
  // The stack's first TSval is what the others count from.
  const origin = lines.findIndex((line) => OUTBOUND.test(line) && line.includes("TS val"));
  return lines.flatMap((line, at) => {
    const changes = [packetChanges, icmpChanges, callChanges, assertionChanges].flatMap((of) =>
      of(line),
    );
    const counting = changes.filter(({ what }) => at !== origin || !/^option TS .* as /.test(what));
    return counting.map((change) => {
      const text = lines.map((one, i) => (i === at ? change.line : one)).join("\n");
      return { line: at + 1, what: change.what, text };
    });
  });
}

/**
 * Scripts that a data path cannot pass, with the reason. A difference is a script that must fail
 * there: one that passes all the same is an error, and so is a name without a script.
 */
import type { DataPath } from "../../bindings/layout.ts";

const NO_DELAYED_ACK = "acknowledges each segment at once (5.3.1)";
const NO_OPTIONS = "no SACK and no timestamps (5.3)";
const ONE_INTERVAL = "keeps one out-of-order interval (5.3.1)";

const FAITHFUL: Readonly<Record<string, string>> = {
  "ack-unacceptable": "takes the data of a segment whose ACK is refused",
  "data-ack-with-answer": NO_DELAYED_ACK,
  "data-delayed-ack": NO_DELAYED_ACK,
  "data-out-of-order": NO_OPTIONS,
  "data-overlap": NO_DELAYED_ACK,
  "data-trimmed": NO_DELAYED_ACK,
  "data-two-gaps": NO_OPTIONS,
  "duplicate-ack-rules": "takes an ACK that only opens the window for a duplicate",
  "ecn-receive": NO_DELAYED_ACK,
  epoll: NO_DELAYED_ACK,
  "fast-retransmit": "sends all of the window again, so no PSH in the middle (5.3.2)",
  "handshake-active": NO_OPTIONS,
  "limited-transmit": "RFC 3042 is not in the program",
  "linux-profile": NO_OPTIONS,
  "newreno-partial-ack": "sends all of the window again (5.3.2)",
  "options-all": NO_OPTIONS,
  paws: NO_OPTIONS,
  "paws-fresh": NO_OPTIONS,
  "read-blocking": NO_DELAYED_ACK,
  "sack-after-timeout": NO_OPTIONS,
  "sack-recovery": NO_OPTIONS,
  "sack-two-losses": NO_OPTIONS,
  "timestamps-delayed-echo": NO_OPTIONS,
  "window-receive": NO_DELAYED_ACK,
  "window-scaling": NO_DELAYED_ACK,
  "wrap-around": NO_OPTIONS,
  "zero-window-acceptance": NO_DELAYED_ACK,
};

/** Name of the script without `.pkt` -> why it must fail. */
export const SCRIPT_DIFFERENCES: Readonly<Record<DataPath, Readonly<Record<string, string>>>> = {
  flextoe: {},
  laminar: FAITHFUL,
  "laminar-relaxed": { "data-two-gaps": ONE_INTERVAL },
};

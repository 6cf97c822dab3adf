/** ICMP messages as frames of the network, written from RFC 792 and RFC 1191. */
import { buildFrame, onesSum } from "../../support/frames.ts";
import { LOCAL, type Sent } from "./harness.ts";

const ROUTER = "10.0.0.254";

/** An ICMP message in an Ethernet frame. */
export function icmp(
  type: number,
  code: number,
  word: number,
  body: Uint8Array,
  source = ROUTER,
  destination = LOCAL,
): Uint8Array {
  const message = new Uint8Array(8 + body.length);
  const view = new DataView(message.buffer);
  view.setUint8(0, type);
  view.setUint8(1, code);
  view.setUint32(4, word);
  message.set(body, 8);
  view.setUint16(2, ~onesSum(message) & 0xffff);
  // The frame builder writes a TCP header; the message replaces what follows the IP header.
  const payload = new Uint8Array(Math.max(0, message.length - 20));
  const frame = buildFrame({ protocol: 1, source, destination, payload });
  const shortBy = Math.max(0, 20 - message.length);
  frame.set(message, 34);
  return shortBy === 0 ? frame : retotal(frame.slice(0, frame.length - shortBy));
}

function retotal(frame: Uint8Array): Uint8Array {
  const view = new DataView(frame.buffer);
  view.setUint16(16, frame.length - 14);
  view.setUint16(24, 0);
  view.setUint16(24, ~onesSum(frame.subarray(14, 34)) & 0xffff);
  return frame;
}

/** IP header and 8 bytes of what we sent. */
export function quote(sent: Sent, seq = sent.seq): Uint8Array {
  const bytes = sent.frame.slice(14, 42);
  new DataView(bytes.buffer).setUint32(24, seq >>> 0);
  return bytes;
}

/**
 * One host with one connection, whose peer asked for ECN and writes its segments by hand; id 1, the
 * numbers of both in order. What the host sends is read from its frames.
 */
import { ACK, CWR, ECE, SYN, streamBytes } from "../support/frames.ts";
import { Host, type HostOptions, type Sent } from "../unit/control-plane/harness.ts";

export const ECT0 = 2;
export const CE = 3;
/** No option said otherwise. */
export const MSS = 536;
const MS = 1e6;

export class Peer {
  readonly host: Host;
  seq: number;
  ack: number;

  /** The SYN-ACK. */
  readonly answer: Sent | undefined;

  /** `congestion`: a name of TCP_CONGESTION; "": the profile's. */
  constructor(
    isn = 1000,
    flags = SYN | ECE | CWR,
    buffer = 65536,
    congestion = "",
    options: HostOptions = {},
  ) {
    this.host = new Host({ medium: "ip", ...options });
    const chosen = { noDelay: true, receiveBuffer: buffer, congestion };
    const listener = this.host.listen(80, 16, chosen);
    const [answer] = this.host.feed(this.host.segment({ flags, seq: isn }));
    this.answer = answer;
    this.seq = (isn + 1) >>> 0;
    this.ack = ((answer?.seq ?? 0) + 1) >>> 0;
    this.send({ flags: ACK });
    this.host.control.accept(listener);
  }

  send(fields: Parameters<Host["segment"]>[0]): Sent[] {
    const { host, seq, ack } = this;
    return host.feed(host.segment({ seq, ack, flags: ACK, ...fields }));
  }

  /** A data segment of the peer's; what it is answered with, after the delayed ACK's time. */
  data(fields: Parameters<Host["segment"]>[0], length = 100): Sent[] {
    const sent = this.send({ payload: streamBytes(this.seq, length), ...fields });
    this.seq = (this.seq + length) >>> 0;
    return sent.length > 0 ? sent : this.host.after(250 * MS);
  }

  /** The application's bytes, as they leave. */
  write(bytes: number): Sent[] {
    this.host.update(1, { append: bytes });
    return this.host.poll();
  }

  /** Acknowledges what was sent, `segments` of it. */
  acknowledge(segments: number, flags = ACK): Sent[] {
    this.ack = (this.ack + segments * MSS) >>> 0;
    return this.send({ flags });
  }

  get cwnd(): number {
    return this.host.control.info(1).cwnd / MSS;
  }

  get ssthresh(): number {
    return this.host.control.info(1).ssthresh / MSS;
  }
}

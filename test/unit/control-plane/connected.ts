/** Brings a harness host to ESTABLISHED and speaks for the peer from there on. */
import type { ConnectionOptions } from "../../../host/control-plane/interface.ts";
import { ACK, type FrameFields, SYN } from "../../support/frames.ts";
import { Host, type HostOptions, type Sent } from "./harness.ts";

/** One established connection, id 1: the host listens on 80, the peer's port is 40000. */
export class Connected {
  readonly host: Host;
  readonly listener: number;
  readonly id = 1;
  /** Next sequence number of the peer, and of the host. */
  seq: number;
  ack: number;

  constructor(options: HostOptions = {}, connection: Partial<ConnectionOptions> = {}, isn = 1000) {
    this.host = new Host(options);
    this.listener = this.host.listen(80, 16, connection);
    const [answer] = this.host.feed(this.host.segment({ flags: SYN, seq: isn }));
    this.seq = (isn + 1) >>> 0;
    this.ack = ((answer?.seq ?? 0) + 1) >>> 0;
    this.send({ flags: ACK });
    this.host.control.accept(this.listener);
    this.host.events.length = 0;
  }

  /** A segment of the peer; `seq` and `ack` default to where it stands. */
  send(fields: Partial<FrameFields>): Sent[] {
    const { host, seq, ack } = this;
    return host.feed(host.segment({ seq, ack, ...fields }));
  }

  /** What libTOE does for shutdown(SHUT_WR). */
  shutdown(): Sent[] {
    this.host.update(this.id, { fin: true });
    this.host.control.shutdownSend(this.id);
    return this.host.poll();
  }

  /** What libTOE does for close(). */
  close(): Sent[] {
    const sent = this.shutdown();
    this.host.control.release(this.id);
    return [...sent, ...this.host.poll()];
  }

  get state(): string {
    return this.host.state(this.id);
  }
}

/**
 * FlexTOE's interconnect (dissertation 4.3.1, 4.4.1; its firmware): per application a pair of
 * rings in host memory. The host stores indexes into the device, the device fetches and writes
 * entries by DMA; a fetched entry is cleared by another write, by which the host sees its place
 * free. Nobody reads over MMIO but the control plane, for its statistics.
 */
import { ARX_SIZE, ATX_SIZE, EVENT_SIZE } from "../../bindings/abi/descriptor.ts";
import { DmaQueue } from "./dma-options.ts";
import type { InterconnectDescription, Operation, Step } from "./interconnect.ts";

/** An index, an interrupt's message. */
const WORD = 4;
/** FlexTOE's slow-path entry (its fp_sp_if.h). */
const SLOW_ENTRY = 64;
/** FlexTOE's state of a connection: 32 + 64 + 32 + 32 bytes (its flow_state.h). */
const CONNECTION_STATE = 160;
/** Its congestion statistics among them, which the control plane reads over MMIO. */
const STATISTICS = 32;

const { SlowOut, SlowIn, Atx, Arx, Tx, Rx } = DmaQueue;

const STEPS: Readonly<Record<Operation, readonly Step[]>> = {
  doorbell: [{ by: "mmio-write", bytes: WORD }],
  fetch: [
    { by: "dma-read", bytes: ATX_SIZE, queue: Atx },
    { by: "dma-write", bytes: ATX_SIZE, queue: Arx },
  ],
  notify: [{ by: "dma-write", bytes: ARX_SIZE, queue: Arx }],
  consume: [{ by: "mmio-write", bytes: WORD }],
  interrupt: [{ by: "interrupt", bytes: WORD, queue: Arx }],
  payloadIn: [{ by: "dma-write", bytes: "payload", queue: Rx }],
  payloadOut: [{ by: "dma-read", bytes: "payload", queue: Tx }],
  command: [
    { by: "mmio-write", bytes: WORD },
    { by: "dma-read", bytes: ATX_SIZE, queue: SlowIn },
    { by: "dma-write", bytes: ATX_SIZE, queue: SlowOut },
  ],
  event: [{ by: "dma-write", bytes: EVENT_SIZE, queue: SlowOut }],
  frameIn: [
    { by: "dma-write", bytes: "payload", queue: SlowOut },
    { by: "dma-write", bytes: SLOW_ENTRY, queue: SlowOut },
  ],
  frameOut: [
    { by: "mmio-write", bytes: WORD },
    { by: "dma-read", bytes: SLOW_ENTRY, queue: SlowIn },
    { by: "dma-read", bytes: "payload", queue: SlowIn },
  ],
  install: [{ by: "mmio-write", bytes: CONNECTION_STATE }],
  inspect: [{ by: "mmio-read", bytes: STATISTICS }],
};

/** `new Stack({ ..., interconnect: contextQueuePairs() })`, over a link that may be chosen. */
export function contextQueuePairs(
  choice: Partial<Pick<InterconnectDescription, "pcie" | "latencies">> = {},
): InterconnectDescription {
  return { name: "context-queue pairs", steps: STEPS, ...choice };
}

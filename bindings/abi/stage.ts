/** Stages and reorder points (4.3.1, 4.3.2), by the numbers that traces and models use. */
export const enum Stage {
  Netif = 0,
  PreProcessing = 1,
  Protocol = 2,
  PostProcessing = 3,
  Dma = 4,
  ContextQueue = 5,
  FlowScheduler = 6,
}

/**
 * Reorder points: each flow group numbers its items and every number is released once, in order.
 * RP1 before protocol, RP2 before the netif, RP3 before ARX, RP4 host control per context.
 */
export const enum ReorderPoint {
  Protocol = 0,
  Netif = 1,
  Notification = 2,
  HostControl = 3,
}
export const REORDER_POINTS: u32 = 4;

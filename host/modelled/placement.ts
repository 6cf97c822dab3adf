/**
 * Which stage runs on how many cores, and which reorder points are on: the rows of Table 4.4, the
 * assignment of Figure 4.8, and the baselines. Plain data.
 */

/** Stages that have cores of their own (Figure 4.8). */
export const STATIONS = ["pre", "protocol", "post", "dma", "atx", "arx", "scheduler"] as const;
export type Station = (typeof STATIONS)[number];

export interface ReorderSwitches {
  /** RP1, before protocol. */
  readonly protocol: boolean;
  /** RP2, before the netif. */
  readonly netif: boolean;
  /** RP3, before ARX. */
  readonly notification: boolean;
  /** RP4, descriptors of a context. */
  readonly hostControl: boolean;
}

export const REORDER_ON: ReorderSwitches = {
  protocol: true,
  netif: true,
  notification: true,
  hostControl: true,
};
export const REORDER_OFF: ReorderSwitches = {
  protocol: false,
  netif: false,
  notification: false,
  hostControl: false,
};

export interface Placement {
  readonly name: string;
  /** True: one core does all stages of an item before it takes the next (TAS, the baseline). */
  readonly runToCompletion: boolean;
  /** Threads used of each core. */
  readonly threads: number;
  /** Flow groups, each with an island. */
  readonly groups: number;
  /** Cores of each station; pre, protocol and post of each group. */
  readonly cores: Readonly<Record<Station, number>>;
  readonly reorder: ReorderSwitches;
}

const ONE: Readonly<Record<Station, number>> = {
  pre: 1,
  protocol: 1,
  post: 1,
  dma: 1,
  atx: 1,
  arx: 1,
  scheduler: 1,
};
/** The service island of the public code: 2 + 2 payload DMA managers, one of each other kind. */
const SERVICE: Readonly<Record<Station, number>> = { ...ONE, dma: 4 };

/** The rows of Table 4.4, by the ids of the paper's figures. */
export const TABLE_4_4_ROWS: Readonly<Record<string, Placement>> = {
  baseline: {
    name: "run to completion",
    runToCompletion: true,
    threads: 1,
    groups: 1,
    cores: ONE,
    reorder: REORDER_ON,
  },
  pipelining: {
    name: "pipelining",
    runToCompletion: false,
    threads: 1,
    groups: 1,
    cores: SERVICE,
    reorder: REORDER_ON,
  },
  intra_fpc_threads: {
    name: "8 threads a core",
    runToCompletion: false,
    threads: 8,
    groups: 1,
    cores: SERVICE,
    reorder: REORDER_ON,
  },
  replicated_pre_post: {
    name: "pre and post replicated",
    runToCompletion: false,
    threads: 8,
    groups: 1,
    // "We assign 4 FPCs to pre-/post-processing stages in each flow-group" (4.4.1.1).
    cores: { ...SERVICE, pre: 4, post: 4 },
    reorder: REORDER_ON,
  },
  flow_group_islands: {
    name: "four flow groups",
    runToCompletion: false,
    threads: 8,
    groups: 4,
    cores: { ...SERVICE, pre: 4, post: 4 },
    reorder: REORDER_ON,
  },
};

/** One core that does everything, as TAS's cores do. */
export const RUN_TO_COMPLETION: Placement = TABLE_4_4_ROWS.baseline as Placement;
/** All of FlexTOE as in Figure 4.8. */
export const FLEXTOE: Placement = TABLE_4_4_ROWS.flow_group_islands as Placement;

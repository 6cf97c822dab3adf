/**
 * Starts the workers executor on any runtime, and says what a program gets where memory cannot be
 * shared: the single-thread build of the data path, and why. node.ts, deno.ts and browser.ts give
 * the threads.
 */
import { CoreGroup } from "./core.ts";
import { compileEmbeddedCore, compileEmbeddedWorkers } from "./embedded-core.ts";
import type { LayoutOptions } from "./layout.ts";
import type { WorkersPlan } from "./workers-layout.ts";
import { type SpawnWorker, WorkersExecutor } from "./workers.ts";

/** What a program may choose about its threads. */
export interface WorkersChoice {
  /** Replicas of each stage and their places; two threads when left out. */
  readonly plan?: WorkersPlan;
  /** In place of Stack's own option. */
  readonly layout?: Partial<LayoutOptions>;
  /**
   * True (default): host and stages work at the same time. False: each turn waits for the pipeline
   * to come to rest, as a World's virtual time needs it.
   */
  readonly overlap?: boolean;
  /** Empty rounds of a thread before it sleeps. */
  readonly spins?: number;
}

/** A data path for one Stack, on threads where the runtime has them. */
export interface StartedWorkers {
  /** For Stack's option `module`. */
  readonly module: WorkersExecutor | CoreGroup;
  /** True: its stages run on threads. */
  readonly threads: boolean;
  /** Why there are none: "startWorkers: expected X, got Y; ..."; undefined when there are. */
  readonly message: string | undefined;
  /** Ends the threads; the stack over them must be closed by then. */
  close(): void;
}

/** What a runtime gives. */
export interface ThreadRuntime {
  readonly spawn: SpawnWorker;
  /** False where the calling thread may not block: a page's main thread. */
  readonly mayBlock: boolean;
}

/**
 * Starts the threads. Throws RangeError on a bad plan or layout, and what the runtime throws when
 * a thread does not start.
 */
export async function startThreads(
  { spawn, mayBlock }: ThreadRuntime,
  { plan, layout, overlap = true, spins }: WorkersChoice,
): Promise<StartedWorkers> {
  const executor = await WorkersExecutor.start({
    module: await compileEmbeddedWorkers(),
    spawn,
    mayBlock,
    overlap,
    ...(plan === undefined ? {} : { plan }),
    ...(layout === undefined ? {} : { layout }),
    ...(spins === undefined ? {} : { spins }),
  });
  return { module: executor, threads: true, message: undefined, close: () => executor.close() };
}

/** The single-thread build over the same layout; `reason` is "expected X, got Y". */
export async function withoutThreads(
  reason: string,
  { layout }: WorkersChoice,
): Promise<StartedWorkers> {
  const module = new CoreGroup(await compileEmbeddedCore(), [layout ?? {}]);
  const message = `startWorkers: ${reason}; the data path runs on one thread`;
  return { module, threads: false, message, close: () => undefined };
}

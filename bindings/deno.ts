/** The platform pieces of Deno, through its own node: modules. See platform.ts. */
import * as timers from "node:timers";
import type { Platform } from "./platform.ts";
import { serverPlatform } from "./server-platform.ts";
import { webSpawner } from "./web-workers.ts";

export type { Hasher, Platform } from "./platform.ts";
export type { StartedWorkers, WorkersChoice } from "./start-workers.ts";

export const platform: Platform = serverPlatform("deno", timers, webSpawner);

/** The platform pieces of Node (and Bun, which has the same modules). See platform.ts. */
import { nodeSpawner } from "./node-workers.ts";
import type { Platform } from "./platform.ts";
import { serverPlatform } from "./server-platform.ts";

export type { Hasher, Platform } from "./platform.ts";
export type { StartedWorkers, WorkersChoice } from "./start-workers.ts";

export const platform: Platform = serverPlatform("node", globalThis, nodeSpawner);

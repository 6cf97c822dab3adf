/**
 * Requirements that have no test on each data path yet, or are not kept yet, with the reason. Has
 * to stay empty: an id that is met stands here no longer (the command says so).
 */
import type { OpenList } from "../judge-requirements.ts";

export const OPEN: OpenList = {};

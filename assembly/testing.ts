/**
 * Exports of the test-only build (build/testing.wasm): single functions of the data path, so that
 * a unit test can call them. The data path itself is assembly/index.ts.
 */

// assembly/tcp: windows, round-trip time, congestion control.
import {
  announcedEdge, creditThreshold, mayLeaveWhole, receiveWindowField, sendableBytes,
  sequenceAcceptable, trimEnd, trimStart, windowStep,
} from "./tcp/window.ts";
import {
  rtoWithBackoff, rttAbandon, rttOnAck, rttSample, rttStartTiming,
} from "./tcp/round-trip-time.ts";
import {
  congestionInitialize, congestionOnAck, congestionOnEcn, congestionOnIdle, congestionOnLoss,
  congestionOnRecoveryExit, congestionOnTimeout,
} from "./tcp/congestion/congestion-control.ts";
import { congestionOnRttSample } from "./tcp/congestion/rtt-sample.ts";
import { cubeRoot, cubicWindow } from "./tcp/congestion/cubic.ts";
import { dctcpAlpha } from "./tcp/congestion/dctcp.ts";
export {
  announcedEdge, creditThreshold, mayLeaveWhole, receiveWindowField, sendableBytes,
  sequenceAcceptable, trimEnd, trimStart, windowStep,
};
export { rtoWithBackoff, rttAbandon, rttOnAck, rttSample, rttStartTiming };
export {
  congestionInitialize, congestionOnAck, congestionOnEcn, congestionOnIdle, congestionOnLoss,
  congestionOnRecoveryExit, congestionOnTimeout,
};
export { congestionOnRttSample, cubeRoot, cubicWindow, dctcpAlpha };

import { logsInitialize } from "./flow/send-log-pool.ts";
import { markLostByTime } from "./tcp/rack.ts";
import { markLostByCount, saysTwice, updateScoreboard } from "./tcp/scoreboard.ts";
import { closeLog, logAgain, logSent, lostRun, needLog, pipeOf, runStart } from "./tcp/send-log.ts";
export { closeLog, logAgain, logSent, logsInitialize, lostRun, markLostByCount, markLostByTime };
export { needLog, pipeOf, runStart, saysTwice, updateScoreboard };

// assembly/base: bytes, checksums, hash, counters, timer wheel.
import { load16be, load32be, store16be, store32be } from "./base/bytes.ts";
import { copyAndSum, fold, sumSmall, sumWords, swapSum } from "./base/checksum.ts";
import { count, countBy, countDrop } from "./base/counter.ts";
import { hashTuple, hashTupleIpv4 } from "./base/hash.ts";
import {
  wheelAdvance, wheelArm, wheelCancel, wheelInitialize, wheelNext,
} from "./base/timer-wheel.ts";
export { load16be, load32be, store16be, store32be };
export { copyAndSum, fold, sumSmall, sumWords, swapSum };
export { count, countBy, countDrop };
export { hashTuple, hashTupleIpv4 };
export { wheelAdvance, wheelArm, wheelCancel, wheelInitialize, wheelNext };

// Flow scheduler: queues and wheel.
import { carouselInitialize } from "./nic/carousel.ts";
import {
  forgetFlow, gatherTurns, keepTurn, mustWait, nextPaced, nextTurn, pace, parkTurn, resetFlow,
  schedule, setPacingInterval, turnSegments,
} from "./nic/flow-scheduler.ts";
export { carouselInitialize };
export {
  forgetFlow, gatherTurns, keepTurn, mustWait, nextPaced, nextTurn, pace, parkTurn, resetFlow,
  schedule, setPacingInterval, turnSegments,
};

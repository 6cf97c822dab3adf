export function wheelInitialize(wheel: usize, now: u64): void {}
export function wheelArm(wheel: usize, timers: usize, timer: u32, deadline: u64): void {}
export function wheelCancel(timers: usize, timer: u32): void {}
export function wheelAdvance(wheel: usize, timers: usize, now: u64, out: usize, outMax: u32): u32 { return 0; }
export function wheelNext(wheel: usize, timers: usize): u64 { return u64.MAX_VALUE; }

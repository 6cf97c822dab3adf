/**
 * What the live target calls of the core under test: imports of module `core-imports`, which the
 * loader fills with the exports of the same names (bindings/core.ts).
 */
export declare function turn(library: usize, now: f64): u32;
export declare function take(library: usize): u32;
export declare function nextReady(library: usize): u32;
export declare function put(library: usize, connection: u32, flags: u32): u32;
export declare function append(library: usize, connection: u32, length: u32, held: u32): usize;
export declare function consume(library: usize, connection: u32, length: u32): usize;
export declare function transmit(
  library: usize, connection: u32, address: usize, length: u32,
): u32;
export declare function receive(
  library: usize, connection: u32, address: usize, length: u32,
): u32;
export declare function spare(library: usize, connection: u32): u32;
export declare function forget(library: usize, connection: u32): void;
export declare function release(library: usize, connection: u32): void;
export declare function bind(core: usize): u32;
export declare function reserve(core: usize, connection: u32, wanted: u32): u32;
export declare function install(core: usize): u32;
export declare function uninstall(core: usize, connection: u32): void;
export declare function unbind(core: usize, connection: u32): void;
export declare function lookup(core: usize): u32;
export declare function inspect(core: usize, connection: u32): u32;
export declare function quotes(core: usize, connection: u32, seq: u32): u32;
export declare function armTimer(core: usize, timer: u32, at: f64): void;
export declare function cancelTimer(core: usize, timer: u32): void;
export declare function nextDeadline(core: usize): f64;

/**
 * What the control plane calls in the core. Each raises the fence when it traps (threats W7), by
 * name and not in a loop over the exports: V8 then knows what is called, and a connection's set-up
 * makes some twenty of these calls.
 */
import type { Core, CoreExports } from "../../bindings/core.ts";
import type { Fence } from "../../bindings/trap.ts";

/** Exports that the control plane uses. */
export type ControlExports = Pick<
  CoreExports,
  | "features"
  | "bind"
  | "reserve"
  | "install"
  | "uninstall"
  | "unbind"
  | "lookup"
  | "inspect"
  | "quotes"
  | "armTimer"
  | "cancelTimer"
>;

/** A core as the control plane has it. */
export interface ControlCore extends Omit<Core, "exports"> {
  readonly exports: ControlExports;
}

class CoreCalls implements ControlExports {
  // Called through the object: what it holds changes when the fence is raised.
  readonly #exports: CoreExports;
  readonly #fence: Fence;

  constructor(exports: CoreExports, fence: Fence) {
    this.#exports = exports;
    this.#fence = fence;
  }

  features(): number {
    return this.#exports.features();
  }

  bind(core: number): number {
    try {
      return this.#exports.bind(core);
    } catch (error) {
      throw this.#fence.trapped(error);
    }
  }

  reserve(core: number, connection: number, wanted: number): number {
    try {
      return this.#exports.reserve(core, connection, wanted);
    } catch (error) {
      throw this.#fence.trapped(error);
    }
  }

  install(core: number): number {
    try {
      return this.#exports.install(core);
    } catch (error) {
      throw this.#fence.trapped(error);
    }
  }

  uninstall(core: number, connection: number): void {
    try {
      this.#exports.uninstall(core, connection);
    } catch (error) {
      throw this.#fence.trapped(error);
    }
  }

  unbind(core: number, connection: number): void {
    try {
      this.#exports.unbind(core, connection);
    } catch (error) {
      throw this.#fence.trapped(error);
    }
  }

  lookup(core: number): number {
    try {
      return this.#exports.lookup(core);
    } catch (error) {
      throw this.#fence.trapped(error);
    }
  }

  inspect(core: number, connection: number): number {
    try {
      return this.#exports.inspect(core, connection);
    } catch (error) {
      throw this.#fence.trapped(error);
    }
  }

  quotes(core: number, connection: number, seq: number): number {
    try {
      return this.#exports.quotes(core, connection, seq);
    } catch (error) {
      throw this.#fence.trapped(error);
    }
  }

  armTimer(core: number, timer: number, deadline: number): void {
    try {
      this.#exports.armTimer(core, timer, deadline);
    } catch (error) {
      throw this.#fence.trapped(error);
    }
  }

  cancelTimer(core: number, timer: number): void {
    try {
      this.#exports.cancelTimer(core, timer);
    } catch (error) {
      throw this.#fence.trapped(error);
    }
  }
}

/** The same core for the control plane: a trap in a call raises its fence and is thrown on. */
export function controlCore(core: Core): ControlCore {
  const { exports, fence } = core;
  return fence === undefined ? core : { ...core, exports: new CoreCalls(exports, fence) };
}

/** The clock of every runtime's platform piece: monotonic, whole nanoseconds. */

/**
 * Reading when the module is loaded. Engines hold numbers below 2^31 in another form than larger
 * ones, and compile everything that met them anew when a clock passes that mark: this one starts
 * above it.
 */
const START_NS = 2 ** 40;

/** A clock over `performance` of the runtime. */
export function startClock(source: { now(): number }): () => number {
  const origin = source.now();
  return () => START_NS + Math.round((source.now() - origin) * 1e6);
}

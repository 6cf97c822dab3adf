/**
 * Where toeloop in profile `linux` differs from the kernel, and why: the one list of the command.
 * A difference that is not here fails, and so does one that is here and no longer there.
 */
export interface Accepted {
  readonly why: string;
  /** As the command prints them, all of the script's, in order. */
  readonly differences: readonly string[];
}

/** By script. */
export const ACCEPTED: Readonly<Record<string, Accepted>> = {};

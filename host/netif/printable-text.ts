/**
 * Texts that come from a file or a network, for a terminal or a log: names of interfaces, comments,
 * file names. Invariant: what comes out moves no cursor, colours nothing and reverses nothing, and
 * says what was there; text without such characters stays as it is.
 */

/** Characters of a text that are shown. */
const LENGTH_MAX = 255;
/** Controls, formats (bidi overrides, zero widths), lone surrogates, private use; line ends. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\\]/gu;

/** The text with each such character as `\u{hex}`, and backslashes doubled; at most 255 of it. */
export function printableText(text: string): string {
  const characters = [...text.slice(0, 2 * LENGTH_MAX + 2)];
  const shown = characters.slice(0, LENGTH_MAX).join("");
  const escaped = shown.replace(UNSEEN, (one) =>
    one === "\\" ? "\\\\" : `\\u{${one.codePointAt(0)?.toString(16)}}`,
  );
  return characters.length > LENGTH_MAX ? `${escaped}...` : escaped;
}

const mostBytes = 255;

/**
 * The reason why a text cannot name a file or directory on every system that hooks and readers use; undefined when
 * nothing does.
 */
export function flawOfName(name: string): string | undefined {
  if (name === '' || name === '.' || name === '..') return 'is not a name';
  if (/[/\\]/.test(name)) return 'has a slash';
  if (/\p{Cc}/u.test(name)) return 'has a control character';
  if (!name.isWellFormed()) return 'has half a character';
  if (Buffer.byteLength(name) > mostBytes) return `is longer than ${mostBytes} bytes`;
  return undefined;
}

const invisible = /[\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/u;

let neededOnce: RegExp | undefined;

/**
 * Invisible characters where a script or an emoji needs them. Joiners follow RFC 5892, appendix A.1 and A.2, with the
 * viramas of Indic scripts and the letters of Arabic. Variants are those of Han, Mongolian and pictographs. The table of all
 * emoji takes tens of milliseconds to make, so it is made for the first name that has such a character.
 */
const needed = () =>
  (neededOnce ??= new RegExp(
    [
      '(?<=[\\u094d\\u09cd\\u0a4d\\u0acd\\u0b4d\\u0bcd\\u0c4d\\u0ccd\\u0d4d\\u0dca])[\\u200c\\u200d]',
      '(?<=[\\p{Script=Arabic}&&\\p{L}]\\p{M}*)\\u200c(?=[\\p{Script=Arabic}&&\\p{L}])',
      '(?<=[\\p{Script=Han}\\p{Script=Mongolian}\\p{Extended_Pictographic}])\\p{Variation_Selector}',
      '\\p{RGI_Emoji}',
    ].join('|'),
    'gv',
  ));

/**
 * The reason why a text is refused as the name of a file that comes in; names that are stored already stay as they are.
 * Characters that nobody sees, or that turn the order of the others, show another name than the real one.
 */
export function flawOfNewName(name: string): string | undefined {
  const flaw = flawOfName(name);
  if (flaw !== undefined) return flaw;
  const hidden = hiddenIn(name);
  if (hidden !== undefined) {
    const code = (hidden.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
    return `has the invisible character U+${code}; rename the file`;
  }
  if (/^\s|\s$/u.test(name)) return 'begins or ends with a blank; rename the file';
  return undefined;
}

function hiddenIn(name: string): string | undefined {
  return invisible.test(name) ? invisible.exec(name.replace(needed(), ''))?.[0] : undefined;
}

/** Two names that are one on some system: they differ in case, in how a character is composed, or in nothing one sees. */
export function sameNames(names: readonly string[]): readonly [string, string] | undefined {
  const seen = new Map<string, string>();
  for (const name of names) {
    const shown = name.replace(/\p{Default_Ignorable_Code_Point}/gu, '').replace(/\p{Zs}/gu, ' ');
    const folded = shown.normalize('NFC').toLowerCase().normalize('NFC');
    const earlier = seen.get(folded);
    if (earlier !== undefined) return [earlier, name];
    seen.set(folded, name);
  }
  return undefined;
}

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

/**
 * The reason why a text is refused as the name of a file that comes in; names that are stored already stay as they are.
 * Characters that nobody sees, or that turn the order of the others, show another name than the real one.
 */
export function flawOfNewName(name: string): string | undefined {
  const flaw = flawOfName(name);
  if (flaw !== undefined) return flaw;
  const [hidden] = /[\p{Cf}\p{Zl}\p{Zp}]/u.exec(name) ?? [];
  if (hidden !== undefined) {
    const code = (hidden.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
    return `has the invisible character U+${code}; rename the file`;
  }
  if (/^\s|\s$/u.test(name)) return 'begins or ends with a blank; rename the file';
  return undefined;
}

/** Two names that are one on some system: they differ in case, or in how a character is composed. */
export function sameNames(names: readonly string[]): readonly [string, string] | undefined {
  const seen = new Map<string, string>();
  for (const name of names) {
    const folded = name.normalize('NFC').toLowerCase().normalize('NFC');
    const earlier = seen.get(folded);
    if (earlier !== undefined) return [earlier, name];
    seen.set(folded, name);
  }
  return undefined;
}

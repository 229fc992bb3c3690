/** PostgreSQL's text form of arrays: what a hook answered travels in it from the reader's thread into its table. */

/** The element of an array literal that is the SQL null; the text NULL is `"NULL"`, in quotes. */
export const nullElement = 'NULL';

/**
 * `text` as an element of an array literal. In quotes, a quote and a backslash are all that needs a backslash;
 * commas, braces, line ends and any other character are themselves (PostgreSQL manual, 8.15.6).
 */
export function quoteElement(text: string): string {
  const escaped = text.includes('\\') ? text.replaceAll('\\', '\\\\') : text;
  return `"${escaped.replaceAll('"', '\\"')}"`;
}

/** The literal of a one-dimensional array; numbers and booleans are elements as they are. */
export function arrayLiteral(elements: readonly string[]): string {
  return `{${elements.join(',')}}`;
}

/** The elements of such a literal; null for the SQL null. */
export function readArrayLiteral(literal: string): (string | null)[] {
  const found: (string | null)[] = [];
  for (const [element, quoted] of literal.slice(1, -1).matchAll(elements)) {
    if (quoted !== undefined) found.push(quoted.replace(/\\(.)/gs, '$1'));
    else found.push(element === nullElement ? null : element);
  }
  return found;
}

const elements = /"((?:[^"\\]|\\.)*)"|[^,]+/gs;

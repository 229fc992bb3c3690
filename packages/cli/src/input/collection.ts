import { OsaError } from '@osa/core/error';
import { bounds } from '@osa/core/limits';
import { excerpt } from '@osa/core/text';

/** JSON files that are one object around all of their records, such as GeoJSON. Records are read one by one. */

interface FirstObject {
  /** The names of its members, as far as it can be seen. */
  readonly keys: readonly string[];
  /** The first member that is a list of objects. */
  readonly list: string | undefined;
  readonly isFeatureCollection: boolean;
  /** Whether it ends in the text that was seen. */
  readonly isEnded: boolean;
  /** Whether nothing is seen behind it. */
  readonly isAlone: boolean;
}

/**
 * @param isFlat whether each object is a record by itself: then only GeoJSON is known not to be records
 * @throws OsaError `usage` for a file that begins with an object around records, with the command that takes them out
 */
export function refuseCollection(name: string, head: string, isFlat: boolean): void {
  const first = firstObject(head);
  if (first?.isFeatureCollection) {
    throw new OsaError(
      'usage',
      `${name} is GeoJSON, one object around all records; write each feature as a record: ` +
        `jq -c '.features[] | {source_id: "\\(.id)", metadata: .properties}' FILE > records.ndjson; features without an id ` +
        `become flat records by: jq -c '.features[].properties' FILE > records.ndjson`,
    );
  }
  if (!first?.isAlone || isFlat || first.list === undefined || first.list === 'files' || isRecord(first))
    return;
  const member = /^[A-Za-z_]\w*$/.test(first.list) ? first.list : 'MEMBER';
  throw new OsaError(
    'usage',
    `${name} is one object, and its records seem to be the list ${excerpt(first.list)} in it; write each on a line of its ` +
      `own: jq -c '.${member}[]' FILE > records.ndjson`,
  );
}

/** Whether the file begins with an object that is too large to see its end, and has no member of a record before that. */
export function isLargeObject(head: string): boolean {
  const first = firstObject(head);
  const begun = ['source_id', 'id', 'metadata', 'files'];
  return first !== undefined && !first.isEnded && !begun.some((name) => first.keys.includes(name));
}

/** The refusal of a record that no upload takes. */
export function largeRefusal(name: string): OsaError {
  return new OsaError(
    'usage',
    `${name}: a record is longer than ${bounds.lineBytes} bytes; if the file is one object around all records, write each ` +
      `on a line of its own, such as: jq -c '.MEMBER[]' FILE > records.ndjson`,
  );
}

function isRecord({ keys }: FirstObject): boolean {
  return keys.includes('metadata') && ['source_id', 'id'].some((name) => keys.includes(name));
}

/** Follows strings and brackets; undefined where the text does not begin with an object. */
function firstObject(head: string): FirstObject | undefined {
  const text = head.trimStart();
  if (!text.startsWith('{')) return undefined;
  const keys: string[] = [];
  let [depth, before, list, isNamed] = [0, '', undefined as string | undefined, false];
  let end: number | undefined;
  for (const { 0: token, index } of text.matchAll(/"(?:[^"\\]|\\.)*\\?(?:"|$)|[{}[\]:,]/gs)) {
    if (depth === 1 && token.startsWith('"')) {
      if (before !== ':') keys.push(textOf(token));
      else if (keys.at(-1) === 'type') isNamed ||= token === '"FeatureCollection"';
    }
    if (token === '{' && before === '[' && depth === 2) list ??= keys.at(-1);
    if (token === '{' || token === '[') depth += 1;
    if (token === '}' || token === ']') depth -= 1;
    before = token;
    if (depth > 0) continue;
    end = index + 1;
    break;
  }
  const isEnded = end !== undefined;
  const isFeatures = list === 'features' && /"type"\s*:\s*"Feature"/.test(text);
  return {
    keys,
    list,
    isFeatureCollection: isFeatures || (isNamed && (!isEnded || keys.includes('features'))),
    isEnded,
    isAlone: text.slice(end ?? text.length).trim() === '',
  };
}

function textOf(token: string): string {
  try {
    return String(JSON.parse(token));
  } catch {
    return token;
  }
}

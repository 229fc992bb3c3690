import { afterAll, beforeAll, expect, test } from 'vitest';
import { type NumberArchive, numberArchive } from '../support/number-archive.ts';
import { count, random, randomNumber } from '../support/random-numbers.ts';

/**
 * Random numbers go from an upload through a hook to the data route and into a second upload. The expected
 * values are worked out with integers, not with the code under test.
 */

const perRecord = 500;

let archive: NumberArchive;
beforeAll(async () => {
  archive = await numberArchive('{}', ['in_javascript']);
}, 120_000);
afterAll(() => archive.close());

test(`${count} random numbers keep value and spelling, or are refused by a rule`, {
  timeout: 600_000,
}, async () => {
  const numbers = Array.from({ length: count }, randomNumber);
  const inRange = numbers.filter((number) => refusalOf(number) === undefined);
  const beyond = numbers.filter((number) => refusalOf(number) !== undefined);
  const lists = Array.from({ length: Math.ceil(inRange.length / perRecord) }, (_, index) =>
    inRange.slice(index * perRecord, (index + 1) * perRecord),
  );
  const kept = lists.map((list, index) => [`kept-${index}`, list] as const);
  const refused = beyond.map((number, index) => [`refused-${index}`, [number]] as const);
  expect(await archive.ingest([...kept, ...refused])).toMatchObject({
    published: kept.length,
    invalid: refused.length,
    errored: 0,
  });
  for (const reason of await archive.reasons()) expect(reason).toMatch(/beyond the range of a double/);

  const spelled = await archive.records();
  const rows = await archive.rows('in_javascript');
  for (const [id, list] of kept) {
    const shown = (spelled.get(id) ?? '').slice(1, -1).split(',');
    expect(shown).toHaveLength(list.length);
    for (const [index, written] of list.entries()) expectSpelling(written, shown[index] ?? '');
    const text = `[${shown.join(',')}]`;
    expect(rows.get(id)?.seen === `{"id":"${id}","metadata":{"list":${text}},"size_hint_mb":0}`).toBe(true);
    expect(rows.get(id)?.text.includes(`"exact":${text}`)).toBe(true);
  }

  const printed = [...spelled].map(([id, text]) => [id, text.slice(1, -1).split(',')] as const);
  const otherwise = kept.map(([id, list]) => [id, list.map(respelled)] as const);
  for (const again of [printed, otherwise]) {
    expect(await archive.ingest(again)).toMatchObject({ unchanged: kept.length, published: 0, invalid: 0 });
  }
});

function refusalOf(number: string): string | undefined {
  const double = Number(number);
  if (!Number.isFinite(double)) return 'too large';
  return double === 0 && /[1-9]/.test(number.split(/e/i)[0] ?? '') ? 'too small' : undefined;
}

function expectSpelling(written: string, shown: string): void {
  const shortest = String(Number(written));
  const expected = sameValue(shortest, written) ? shortest : undefined;
  const isRight = expected === undefined ? sameValue(shown, written) : shown === expected;
  expect(isRight, `${written} is shown as ${shown}`).toBe(true);
}

/** Compares integer × 10^exponent without rounding. */
function sameValue(left: string, right: string): boolean {
  const [[a, m], [b, n]] = [scaled(left), scaled(right)];
  if (a === 0n || b === 0n) return a === b;
  const least = Math.min(m, n);
  return a * 10n ** BigInt(m - least) === b * 10n ** BigInt(n - least);
}

function scaled(text: string): [integer: bigint, exponent: number] {
  const [mantissa = '', exponent = '0'] = text.toLowerCase().split('e');
  const [whole = '', fraction = ''] = mantissa.split('.');
  return [BigInt(whole + fraction), Number(exponent) - fraction.length];
}

/** Another way to write the same value. */
function respelled(number: string): string {
  const [integer, exponent] = scaled(number);
  if (integer === 0n) return '-0.0e5';
  const zeros = random(3);
  return `${integer}${'0'.repeat(zeros)}e${exponent - zeros}`;
}

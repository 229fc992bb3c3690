import { createRequire } from 'node:module';
import { expect, test } from 'vitest';
import { isOneColumnEach } from '../../../packages/cli/src/terminal/paint.ts';

const { default: stringWidth } = createRequire(
  new URL('../../../packages/cli/src/terminal/paint.ts', import.meta.url),
)('string-width') as { readonly default: (text: string) => number };

test('characters that are not looked up in the tables of Unicode take one column each', () => {
  const all = Array.from({ length: 0x10_000 }, (_, code) => String.fromCharCode(code));
  const plain = all.filter(isOneColumnEach);
  expect(plain.length).toBeGreaterThan(500);
  expect(plain.filter((character) => stringWidth(character) !== 1)).toEqual([]);
  expect(plain.filter((character) => stringWidth(`a${character}`) !== 2)).toEqual([]);
});

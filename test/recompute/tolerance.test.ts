import { byColumn, toleranceOf } from '@osa/cli/commands/comparisons/tolerance';
import { gateOf, gateOptions } from '@osa/cli/commands/deploy/compare-gate';
import { expect, test } from 'vitest';
import { good, parseText } from '../support/manifest-fixture.ts';

test.each([
  'v',
  'v=',
  '=1',
  'v=NaN',
  'v=-1',
  'v=1,5',
  'v=0x10',
  'v=1e999',
  'v=1e999%',
  'v=1 %',
  'v=Infinity',
])('a tolerance %s is refused', (given) => {
  expect(() => toleranceOf(given)).toThrow('a column and a number or a share');
});

test('tolerances are given by column, and once for each', () => {
  expect(byColumn(['a=0.5', 'b=1%', 'c=any', 'd=0'].map(toleranceOf))).toEqual({
    ...{ a: { abs: 0.5 }, b: { rel: 0.01 }, c: { any: true }, d: { abs: 0 } },
  });
  for (const twice of [
    ['a=1', 'a=2'],
    ['a=any', 'b=1', 'a=0'],
  ]) {
    expect(() => byColumn(twice.map(toleranceOf))).toThrow('a has two of them');
  }
});

test('a deploy takes one tolerance for each column of a hook, with or without its name', () => {
  const gate = (...tolerance: string[]) =>
    gateOf(parseText(good), {
      ...{ activate: false, compare: 5, maxChanged: 1, key: [], seed: undefined, timeout: undefined },
      tolerance: tolerance.map(gateOptions.tolerance.parse),
    });
  expect(gate('seismic_energy.energy_j=1%', 'at=any', 'radius_km=2')).toMatchObject({
    tolerances: {
      seismic_energy: { energy_j: { rel: 0.01 }, at: { any: true } },
      felt_radius: { radius_km: { abs: 2 } },
    },
  });
  expect(() => gate('seismic_energy.energy_j=1%', 'energy_j=2')).toThrow('energy_j has two of them');
});

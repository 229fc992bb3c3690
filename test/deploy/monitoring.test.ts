import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { type TestDaemon, testDaemon } from '../support/daemon-support.ts';

/** Alerts and panels ask only for what osad exports, and the alerts fire when they must. */

const deploy = join(import.meta.dirname, '../../deploy');
let exported: ReadonlySet<string>;
let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await testDaemon();
  const { text } = await daemon.send('GET', '/metrics');
  exported = new Set(['up', ...[...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name = '']) => name)]);
});
afterAll(() => daemon.close());

function unknown(expression: string): string[] {
  const names = expression.match(/\b(osa|nodejs|process)_\w+/g) ?? [];
  return names.filter(
    (name) => ![name, name.replace(/_(bucket|sum|count)$/, '')].some((n) => exported.has(n)),
  );
}

test('every alert asks for metrics of osad, and says what to do', async () => {
  const { groups } = parse(await readFile(join(deploy, 'prometheus/alerts.yaml'), 'utf8')) as {
    groups: { rules: { alert: string; expr: string; annotations: { summary: string } }[] }[];
  };
  const rules = groups.flatMap((group) => group.rules);
  expect(rules.length).toBeGreaterThan(5);
  expect(rules.flatMap(({ expr }) => unknown(expr))).toEqual([]);
  expect(unknown('rate(osa_batches_failed_total[5m])')).toEqual(['osa_batches_failed_total']);
});

test('every panel asks for metrics of osad, and none lies over another', async () => {
  const { panels } = JSON.parse(await readFile(join(deploy, 'grafana/osa.json'), 'utf8')) as {
    panels: {
      id: number;
      gridPos: { x: number; y: number; w: number; h: number };
      targets: { expr: string }[];
    }[];
  };
  expect(panels.flatMap(({ targets }) => targets.flatMap(({ expr }) => unknown(expr)))).toEqual([]);
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, at) => `${x + (at % w)} ${y + Math.floor(at / w)}`),
  );
  expect(new Set(cells).size).toBe(cells.length);
});

const promtool = await execa('promtool', ['--version'], { reject: false });

describe.skipIf(promtool.failed)('promtool', () => {
  test.each([
    ['check', 'rules', 'alerts.yaml'],
    ['test', 'rules', 'alerts.test.yaml'],
  ])('%s %s %s', async (...args) => {
    const result = await execa('promtool', args, { cwd: join(deploy, 'prometheus'), reject: false });
    expect(result).toMatchObject({ exitCode: 0 });
  });
});

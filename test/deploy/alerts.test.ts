import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { deployHook, ndjson, type TestDaemon, testDaemon } from '../support/daemon-support.ts';
import { scratch, until } from '../support/database/database.ts';

/** Faults are red in the metrics, and the alerts fire on them, as Prometheus' own tool evaluates them. */

const alerts = join(import.meta.dirname, '../../deploy/prometheus/alerts.yaml');
const hasPromtool = await execa('promtool', ['--version'], { reject: false }).then(
  ({ exitCode }) => exitCode === 0,
);

interface Rule {
  readonly alert: string;
  readonly expr: string;
}
const rules = async () =>
  (parse(await readFile(alerts, 'utf8')) as { groups: { rules: Rule[] }[] }).groups.flatMap(
    ({ rules: all }) => all,
  );

let daemon: TestDaemon;
let metrics: string;
beforeAll(async () => {
  daemon = await testDaemon();
  await deployHook(daemon, 'process.exit(1)', 'failing', 'fails');
  const ingestion = await daemon.call('ingest', { params: { slug: 'fails' }, body: ndjson(2) });
  await until('the failed run', async () => {
    const { status } = await daemon.call('showIngestion', { params: { id: ingestion.id } });
    return status !== 'running';
  });
  const owner = daemon.database.open(daemon.database.ownerUrl, { max: 1 });
  await owner.sql.unsafe(`
    create function break_claim() returns trigger language plpgsql as $$
    begin raise exception 'this claim cannot be done'; end $$;
    create trigger break_claim before insert on runs for each row execute function break_claim()`);
  await daemon.call('ingest', { params: { slug: 'fails' }, body: ndjson(3).replaceAll('"r', '"later') });
  metrics = await until('both in the metrics', async () => {
    const text = await daemon.call('metrics');
    return (
      ['claim_failures', 'release_fails'].every((code) => text.includes(`osa_needs{code="${code}"} 1`)) &&
      text
    );
  });
});
afterAll(() => daemon.close());

test('the metrics say so, with labels that are codes', () => {
  expect(metrics).toContain('osa_needs{code="no_worker"} 0');
  expect(metrics).toContain('osa_queue_batches{convention="fails",status="queued",why="claim_failures"} 1');
  expect(metrics).toMatch(/osa_queue_oldest_seconds\{convention="fails"\} \d/);
  expect(metrics).toContain('osa_hook_runs_total{hook="failing",version="1",status="failed"} 1');
  expect(metrics).toMatch(/osa_attempts_total\{hook="failing",version="1",ending="exited"\} [1-9]/);
  expect(metrics).toContain('osa_outcomes_total{hook="failing",outcome="errored"} 2');
  expect(metrics).toContain('osa_hook_live_version{hook="failing"} 1');
  expect(metrics).toMatch(/osa_pool_connections\{pool="requests",state="max"\} 5/);
  expect(metrics).toMatch(/osa_claim_seconds_count [1-9]/);
  expect(metrics).toMatch(/osa_build_info\{version="0.0.0-test",node="[\d.]+"\} 1/);
  expect(metrics).toMatch(/osa_disk_free_bytes \d+/);
  expect(metrics).toContain('osa_status_known 1');
});

test('a reading has the state of its own moment, the first one too', async () => {
  const fresh = await testDaemon();
  try {
    const first = await fresh.call('metrics');
    expect(first).toContain('osa_status_known 1');
    expect(first).toContain('osa_needs{code="release_fails"} 0');
    expect(first).toMatch(/osa_database_bytes [1-9]/);
    expect(first).toMatch(/osa_disk_free_bytes [1-9]/);
  } finally {
    await fresh.close();
  }
});

test('every metric of the alerts and of the dashboard is there', async () => {
  const dashboard = JSON.parse(await readFile(join(alerts, '../../grafana/osa.json'), 'utf8'));
  const queries = (dashboard.panels as { targets: { expr: string }[] }[]).flatMap(({ targets }) => targets);
  const expressions = [...(await rules()).map(({ expr }) => expr), ...queries.map(({ expr }) => expr)];
  const named = new Set(expressions.flatMap((text) => text.match(/\b(?:osa|nodejs)_[a-z0-9_]+/g) ?? []));
  const known = [...named].filter((name) =>
    metrics.includes(`\n# TYPE ${name.replace(/_(bucket|count|sum)$/, '')} `),
  );
  expect([...named].sort()).toEqual(known.sort());
  expect(named.size).toBeGreaterThan(15);
});

test('status is red for both', async () => {
  const status = await daemon.call('status');
  expect(status.ok).toBe(false);
  expect(status.needs.map(({ code }) => code).sort()).toEqual(['claim_failures', 'release_fails']);
});

describe.skipIf(!hasPromtool)('promtool', () => {
  test('accepts the rules', async () => {
    const { exitCode, stdout } = await execa('promtool', ['check', 'rules', alerts], { reject: false });
    expect([exitCode, stdout]).toEqual([0, expect.stringContaining('SUCCESS')]);
  });

  test('fires for what this daemon shows within a minute, and for nothing else', async () => {
    expect(await firing(metrics)).toEqual(['OsaClaimsFail', 'OsaReleaseFails']);
  });

  test('fires for nothing where nothing needs a person', async () => {
    expect(await firing(metrics.replace(/^(osa_needs\{.*\}) \d+$/gm, '$1 0'))).toEqual([]);
  });
});

/** The alerts that fire a minute after these metrics were first read. */
async function firing(text: string): Promise<string[]> {
  const place = await scratch();
  try {
    const samples = text.split('\n').filter((line) => /^osa_/.test(line) && !line.includes('NaN'));
    const series = samples.map((line) => {
      const at = line.lastIndexOf(' ');
      return { series: line.slice(0, at), values: `${line.slice(at + 1)}x10` };
    });
    const up = { series: 'up{job="osad",instance="a"}', values: '1x10' };
    const names = (await rules()).map(({ alert }) => alert);
    const found: string[] = [];
    for (const alertname of names) {
      const file = join(place.path, `${alertname}.yaml`);
      // It is expected not to fire, so a failure of the tool is an alert.
      const tests = [
        {
          interval: '15s',
          input_series: [...series, up],
          alert_rule_test: [{ eval_time: '1m', alertname, exp_alerts: [] }],
        },
      ];
      await writeFile(file, stringify({ rule_files: [alerts], evaluation_interval: '15s', tests }));
      const { exitCode, stdout, stderr } = await execa('promtool', ['test', 'rules', file], {
        reject: false,
      });
      if (exitCode === 0) continue;
      expect(`${stdout}${stderr}`).toContain('got:[');
      found.push(alertname);
    }
    return found;
  } finally {
    await place.dispose();
  }
}

import { generateKeyPairSync } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Answer } from '@osa/core/api';
import { expect, test } from 'vitest';
import { deployed } from '../support/fixtures/cli-answers.ts';
import { createCliWorld, type FakeAnswer, problem, startFakeServer } from '../support/fixtures/cli-world.ts';

/** `osa deploy --compare` in CI, where the answer to the activation is lost. */

const key = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
const at = '2026-01-01T00:00:00.000Z';
const comparisonId = '0198c0de-0000-7000-8000-000000000008';
const hold: Answer<'activateDeploy'>['holds'][number] = {
  ...{ hook_name: 'density', version: 2, live_seq: 1, live_version: 1, comparison_id: comparisonId },
  ...{ status: 'queued', max_changed: 0, records: null, changed_records: null },
  ...{ is_within: null, activated_seq: null },
};
const comparison: Answer<'showComparison'> = {
  ...{ id: comparisonId, hook_name: 'density', version: 2, against: null, convention_id: 'samples' },
  ...{ seed: 'osa', sample: 5, is_list: false, tolerances: {}, keys: [], reason: null },
  ...{ deploy: { id: deployed.deploy_id, slug: 'samples' }, status: 'done', problem: null },
  report: {
    ...{ shows_values: true, records: 5, changed_records: 0, outcomes: [], columns: [], examples: [] },
    rows: { before: 5, after: 5, added: 0, removed: 0, changed: 0 },
  },
  ...{ started_by: { issuer: 'osa-cli', subject: 'ci' }, started_at: at, finished_at: at },
};

async function deploy(activation: FakeAnswer | 'cut') {
  await using world = await createCliWorld();
  await world.osa(['init']);
  await using server = await startFakeServer(({ path }) => {
    if (path.endsWith('/activation')) return activation;
    if (path.includes('/comparisons/')) return { body: comparison };
    if (path.startsWith('/api/v1/conventions')) return { status: 201, body: { ...deployed, holds: [hold] } };
    return { body: { sha256: path.split('/').at(-1), size: 1 } };
  });
  const [summary, outputs] = [join(world.cwd, 'summary.md'), join(world.cwd, 'outputs')];
  const actions = { GITHUB_ACTIONS: 'true', GITHUB_STEP_SUMMARY: summary, GITHUB_OUTPUT: outputs };
  const environment = { OSA_KEY: key, OSA_SERVER: server.url, ...actions };
  const { code, stdout, stderr } = await world.osa(['deploy', '--compare', '5'], { environment });
  return {
    code,
    stdout,
    stderr,
    summary: await readFile(summary, 'utf8'),
    outputs: await readFile(outputs, 'utf8'),
  };
}

const page = { headers: { 'content-type': 'text/html' }, body: '<h1>Bad gateway</h1>' };

test.each<[string, FakeAnswer | 'cut']>([
  ['the connection breaks off', 'cut'],
  ['a gateway gives up', { status: 502, ...page }],
  ['the server fails', problem(500, 'internal', 'it failed')],
])('where %s, it is not known whether the releases are live', async (_name, activation) => {
  const { code, stderr, summary, outputs } = await deploy(activation);
  expect(code).not.toBe(0);
  expect(stderr).toContain(`is not known, and osa deploys show ${deployed.deploy_id} says it`);
  expect(summary).toContain('project: deployed; whether its releases are live is not known');
  expect(summary).toContain('0 of 5 records');
  expect(outputs).toContain(`deploy_id=${deployed.deploy_id}\n`);
  expect(outputs).not.toContain('live=');
});

test('where the server refuses, they are not live', async () => {
  const { code, summary, outputs, stderr } = await deploy(problem(409, 'conflict', 'it is in review'));
  expect(code).toBe(1);
  expect(stderr).not.toContain('not known');
  expect(summary).toContain('project: deployed, its releases not made live');
  expect(outputs).toContain('live=false\n');
});

test('where the live release has moved, they stay not live as beyond the limit', async () => {
  const moved = problem(
    412,
    'precondition_failed',
    'v1 has moved; `osa hooks activate density 2` makes it live',
  );
  const { code, stdout, summary, outputs } = await deploy(moved);
  expect(code).toBe(3);
  expect(stdout).toContain('v1 has moved; `osa hooks activate density 2` makes it live');
  expect(stdout).toContain('0 of 5 records');
  expect(summary).toContain('v1 has moved');
  expect(summary).toContain('0 of 5 records');
  expect(outputs).toContain('live=false\n');
});

import { generateKeyPairSync } from 'node:crypto';
import type { Answer } from '@osa/core/api';
import { describe, expect, test } from 'vitest';
import { ingestion } from '../../support/fixtures/cli-answers.ts';
import { createCliWorld, problem, startFakeServer } from '../../support/fixtures/cli-world.ts';

/** The commands that cancel work behave alike, whatever the work is. */

const key = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
const { id } = ingestion;
const at = '2026-01-01T00:00:00.000Z';
const started = { started_by: { issuer: 'osa-cli', subject: 'ci' }, started_at: at };
const counts = { records: 1, passed: 1, rejected: 0, errored: 0, pending: 0, rows: 1 };

const recompute: Answer<'showRecompute'> = {
  ...{ id, hook_name: 'density', releases: [1], convention_id: null, is_list: false, with_missing: false },
  ...{ recall_id: null, healed: null, reason: null, status: 'running', paused: null },
  ...{ expected_records: 1, expected_rows: 1, is_cut: true, overtaken: 0, retried: 0, ...counts },
  ...{ batches: { queued: 0, running: 0, parked: 0, done: 1, failed: 0 }, used: [], reasons: [] },
  ...{ unstartable: null, ...started, finished_at: null },
};
const comparison: Answer<'showComparison'> = {
  ...{ id, hook_name: 'density', version: 2, against: null, convention_id: null, seed: 'osa', sample: 5 },
  ...{ is_list: false, tolerances: {}, keys: [], reason: null, deploy: null, status: 'running' },
  ...{ problem: null, report: null, ...started, finished_at: null },
};
const replay: Answer<'cancelReplay'> = {
  ...{ id, kind: 'rows', hook_name: null, version: null, sample: null, seed: null, run_id: null },
  ...{ reason: null, status: 'running', results: 1, identical: 1, differs: 0, cannot: 0, output: null },
  ...{ releases: [], reasons: [], changed: false, ...started, finished_at: null },
};

describe.each<[string, { readonly finished_at: string | null }]>([
  ['ingestions', { ...ingestion, status: 'running', finished_at: null } as typeof ingestion],
  ['recomputes', recompute],
  ['comparisons', comparison],
  ['replays', replay],
])('osa %s cancel', (group, open) => {
  async function cancel(work: object, ...options: string[]) {
    await using world = await createCliWorld();
    await using server = await startFakeServer(({ path }) => {
      if (path === `/api/v1/${group}/${id}`) return { body: work };
      if (path === `/api/v1/${group}/${id}/cancel`) return { body: { ...work, changed: false } };
      return problem(404, 'not_found', `looked for ${path}`);
    });
    const environment = { OSA_KEY: key, OSA_SERVER: server.url };
    const answer = await world.osa([group, 'cancel', id, ...options], { environment });
    return { ...answer, isSent: server.requests.some(({ path }) => path.endsWith('/cancel')) };
  }

  test('needs --yes where nobody can be asked', async () => {
    const { code, stderr, isSent } = await cancel(open);
    expect([code, isSent]).toEqual([2, false]);
    expect(stderr).toContain('pass --yes');
    expect(await cancel(open, '--yes')).toMatchObject({ code: 0, isSent: true });
  });

  test('asks nobody about work that has ended, and says that nothing was changed', async () => {
    const { code, stdout } = await cancel({ ...open, finished_at: at });
    expect(code).toBe(0);
    expect(stdout).toContain('it had ended before, so nothing was changed');
  });
});

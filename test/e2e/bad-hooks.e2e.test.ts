import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { hookCode } from '../support/core-archive.ts';
import { until } from '../support/database/database.ts';
import { osa, osaJson } from '../support/programs.ts';
import { writeProject, writeRecords } from '../support/project.ts';
import {
  editConvention,
  type ProjectDaemon,
  stackTrace,
  startProjectDaemon,
} from '../support/project-daemon.ts';

vi.setConfig({ testTimeout: 60_000 });

/** Hooks that crash, say nothing or never end: their records say why, and nobody else is held up. */

let stage: ProjectDaemon;
let place: string;
beforeAll(async () => {
  stage = await startProjectDaemon();
});
beforeEach(async () => {
  place = await stage.project();
});
afterAll(() => stage.close());

const doubles = hookCode('return { features: [{ value: metadata.value * 2 }] }');

describe('a hook', () => {
  const values = [
    ['a', 1],
    ['b', 2],
  ] as const;

  test.each<[string, string, { code: string; said: RegExp }]>([
    [
      'crashes',
      'crashing',
      { code: 'console.error("out of luck"); process.exit(3);', said: /exited with code 3/ },
    ],
    ['throws', 'throwing', { code: 'throw new Error("out of luck");', said: /exited with code 1/ }],
    [
      'is killed',
      'killed',
      { code: 'process.kill(process.pid, "SIGKILL"); setInterval(() => {}, 1000);', said: /SIGKILL/ },
    ],
    ['is not JavaScript', 'broken', { code: 'this is no code', said: /exited with code 1/ }],
    ['writes nothing', 'silent', { code: '', said: /did not answer/ }],
    [
      'writes garbage',
      'garbage',
      {
        code: 'import { writeFileSync } from "node:fs"; writeFileSync(process.env.OSA_OUT + "/features.jsonl", Buffer.from([0xff, 0x00, 0x0a, 0x7b, 0x0a]));',
        said: /did not answer for any record: features\.jsonl line 1: .*the first of 2 lines/,
      },
    ],
    [
      'prints garbage and writes half a line for one record',
      'partial',
      {
        code: `import { writeFileSync } from 'node:fs'; process.stdout.write(Buffer.from([0xff, 0xfe, 0x00])); console.error('\\u001b[2J');
writeFileSync(process.env.OSA_OUT + '/features.jsonl', '{"id": "a", "features": [{"value": 1}]}\\n{"id": "b", "features": [{"val');`,
        said: /features\.jsonl line 2|value/,
      },
    ],
  ])('that %s costs its records their rows, and says why', async (_, name, { code, said }) => {
    const answer = await ran(name, { code });
    const passed = name === 'partial' ? 1 : 0;
    expect(answer).toMatchObject({
      status: 'completed',
      published: passed,
      errored: 2 - passed,
      rows: passed,
    });
    const { items } = await osaJson(place, ['ingestions', 'show', answer.id, '--failed']);
    expect(items).toHaveLength(2 - passed);
    for (const item of items) {
      expect(item).toMatchObject({
        status: 'errored',
        outcomes: [{ hook: name, version: 1, status: 'errored' }],
      });
      expect(item.outcomes[0].reason).toMatch(said);
    }
    const shown = await osa(place, ['ingestions', 'show', answer.id, '--failed']);
    expect(shown.stdout).toMatch(said);
    expect(shown.stdout).not.toMatch(stackTrace);
  });

  test('whose command does not exist ends the ingestion with its reason, and exit code 1', async () => {
    await project('missing_command', doubles);
    await editConvention(place, 'command: [node, hook.mjs]', 'command: [no-such-program, hook.mjs]');
    await osaJson(place, ['deploy']);
    const { exitCode, stdout, stderr } = await osa(place, [...ingestArgs('missing_command'), '--json']);
    expect([exitCode, stderr]).toEqual([1, expect.not.stringMatching(stackTrace)]);
    expect(JSON.parse(stdout)).toMatchObject({
      status: 'failed',
      published: 0,
      rows: 0,
      reasons: [expect.stringContaining('no-such-program')],
    });
  });

  test('that never ends is stopped and tried again later, and does not hold up the others', async () => {
    await project('endless', 'setInterval(() => {}, 1000);');
    await editConvention(
      place,
      /command: \[node, hook.mjs\].*/,
      'command: [node, hook.mjs], source_ref: git:test }\n    limits: { timeout_seconds: 1 }',
    );
    await osaJson(place, ['deploy']);
    const { id } = await osaJson(place, [...ingestArgs('endless'), '--no-wait']);
    const own = place;
    place = await stage.project();
    expect(await ran('going_on', { code: doubles })).toMatchObject({ status: 'completed', published: 2 });
    const shown = await until('the reason', async () => {
      const answer = await osaJson(own, ['ingestions', 'show', id]);
      return answer.reasons.length > 0 && answer;
    });
    expect(shown).toMatchObject({
      status: 'running',
      pending: 2,
      reasons: [expect.stringMatching(/endless.*did not end within 1 s/)],
    });
    // It is tried again every few seconds, and has no reason while it runs.
    await until('the reason, for people', async () => {
      const { stdout } = await osa(own, ['ingestions', 'show', id]);
      return stdout.includes('did not end within 1 s');
    });
  });

  const ingestArgs = (name: string) => ['ingest', slugOf(name), 'records.ndjson'];
  const slugOf = (name: string) => `${name.replaceAll('_', '-')}-numbers`;

  async function project(name: string, code: string): Promise<void> {
    await writeProject(place, { code, hook: name, slug: slugOf(name) });
    await writeRecords(join(place, 'records.ndjson'), values);
  }

  async function ran(name: string, { code }: { code: string }) {
    await project(name, code);
    await osaJson(place, ['deploy']);
    const { exitCode, stdout } = await osa(place, [...ingestArgs(name), '--json']);
    const answer = JSON.parse(stdout);
    // Nothing that passed is a failure.
    expect(exitCode).toBe(answer.published === 0 ? 1 : 0);
    return answer;
  }
});

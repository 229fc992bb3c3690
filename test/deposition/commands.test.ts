import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hookCode } from '../support/core-archive.ts';
import {
  declaration,
  deployRequest,
  type TestDaemon,
  testDaemon,
  uploaded,
} from '../support/daemon-support.ts';
import { createCliWorld } from '../support/fixtures/cli-world.ts';

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await testDaemon();
  const code = hookCode(`
    return metadata.value < 0 ? { reason: 'value: is below 0' } : { features: [{ value: metadata.value }] };`);
  const rules = { accepted_types: ['.txt'], min_count: 0, max_count: 2 };
  const hooks = [declaration('probe', await uploaded(daemon, code))];
  await daemon.call('deploy', {
    json: { ...deployRequest(hooks), file_requirements: rules, curation: 'manual' },
  });
});
afterAll(() => daemon.close());

/** Runs a command as somebody, in a directory with these files. */
async function osa(
  who: 'ada' | 'curator',
  argv: readonly string[],
  contents: Readonly<Record<string, string>> = {},
) {
  await using world = await createCliWorld();
  for (const [path, text] of Object.entries(contents)) {
    await mkdir(join(world.cwd, path, '..'), { recursive: true });
    await writeFile(join(world.cwd, path), text);
  }
  const scopes = who === 'ada' ? ['depositions:write'] : ['depositions:review'];
  const token = (await daemon.bearer(scopes, { subject: who })).replace('Bearer ', '');
  return await world.osa(argv, { environment: { OSA_TOKEN: token, OSA_SERVER: daemon.url } });
}

const idOf = ({ stdout }: { readonly stdout: string }): string => JSON.parse(stdout).id;

test('a deposition goes from a file on disk to its trace, by commands alone', async () => {
  const back = await osa(
    'ada',
    ['deposit', 'tests', '--metadata', 'm.json', '--file', 'notes.txt', '--submit', '--wait', '--json'],
    { 'm.json': '{"value": -1.50}', 'notes.txt': 'of the sample' },
  );
  expect([back.code, back.stderr], back.stdout).toEqual([1, expect.stringContaining('it came back')]);
  const id = idOf(back);
  expect(JSON.parse(back.stdout)).toMatchObject({
    status: 'draft',
    files: [{ name: 'notes.txt', size: 13 }],
    submissions: [{ reasons: [{ hook: 'probe', field: 'value', reason: 'value: is below 0' }] }],
  });
  const shown = await osa('ada', ['depositions', 'show', id]);
  expect(shown.stdout).toContain('probe: value: is below 0');
  expect(shown.stdout).toContain(`osa depositions edit ${id}`);
  const edited = await osa('ada', ['depositions', 'edit', id, '--set', 'value=2.5', '--json']);
  expect(JSON.parse(edited.stdout)).toMatchObject({
    metadata: { value: 2.5 },
    files: [{ name: 'notes.txt' }],
  });
  const waiting = await osa('ada', ['depositions', 'submit', id, '--wait', '--json']);
  expect([waiting.code, JSON.parse(waiting.stdout).status]).toEqual([0, 'in_review']);
  const reviewed = await osa('curator', ['depositions', 'show', id]);
  expect(reviewed.stdout).toMatch(/in review\n +probe v1 +passed/);
  const listed = await osa('curator', ['depositions', 'review', 'list', '--json']);
  expect(JSON.parse(listed.stdout).items).toMatchObject([{ id, owner: { subject: 'ada' }, file_count: 1 }]);
  const approved = await osa('curator', ['depositions', 'review', 'approve', id, '--json']);
  const { record_srn } = JSON.parse(approved.stdout);
  const trace = await osa('ada', ['trace', record_srn]);
  expect(trace.stdout).toMatch(/deposited by ada \(test\)/);
  expect(trace.stdout).toMatch(/accepted, approved by curator \(test\)\n +run \S+ +probe v1 +passed/);
  expect(trace.stdout).toMatch(/rejected\n +run \S+ +probe v1 +rejected/);
  const ofRow = await osa('ada', ['trace', 'probe/1']);
  expect(ofRow.stdout).toMatch(new RegExp(`deposited +by ada \\(test\\), deposition ${id}\n`));
  const drawn = await osa('ada', ['trace', 'probe/1', '--format', 'mermaid']);
  expect(drawn.stdout).toContain('deposited by: ada');
});

test('what a reviewer gives back, and what is withdrawn, are drafts again', async () => {
  const first = await osa('ada', ['deposit', 'tests', '--set', 'value=3', '--submit', '--wait', '--json']);
  const id = idOf(first);
  const unsaid = await osa('curator', ['depositions', 'review', 'reject', id]);
  expect([unsaid.code, unsaid.stderr]).toEqual([2, expect.stringContaining('--reason')]);
  const rejected = await osa('curator', [
    'depositions',
    'review',
    'reject',
    id,
    '--reason',
    'value: of another',
  ]);
  expect(rejected.code, rejected.stderr).toBe(0);
  const again = await osa('curator', ['depositions', 'review', 'approve', id]);
  expect(again.code).toBe(1);
  const shown = await osa('ada', ['depositions', 'show', id]);
  expect(shown.stdout).toContain('curator: value: of another');
  await osa('ada', ['depositions', 'submit', id, '--wait']);
  const withdrawn = await osa('ada', ['depositions', 'withdraw', id, '--json']);
  expect(JSON.parse(withdrawn.stdout).status).toBe('draft');
  const twice = await osa('ada', ['depositions', 'withdraw', id]);
  expect([twice.code, twice.stderr]).toEqual([1, expect.stringContaining('nothing to withdraw')]);
});

test.each([
  ['a field that the schema does not have', ['--set', 'valeu=1'], 'did you mean value'],
  ['a value of another type', ['--set', 'value=much'], 'is not a number'],
  ['a file that is not there', ['--set', 'value=1', '--file', 'nothing.txt'], 'is not there'],
  ['metadata that are no object', ['--metadata', 'list.json'], 'is not a JSON object'],
])('%s is refused before anything is sent', async (_what, argv, why) => {
  const { code, stderr } = await osa('ada', ['deposit', 'tests', ...argv], { 'list.json': '[1]' });
  expect([code, stderr]).toEqual([2, expect.stringContaining(why)]);
});

test('an edit that changes nothing, and a file that the convention does not take, are refused', async () => {
  const id = idOf(await osa('ada', ['deposit', 'tests', '--set', 'value=1', '--json']));
  expect((await osa('ada', ['depositions', 'edit', id])).code).toBe(2);
  const wrong = await osa('ada', ['depositions', 'edit', id, '--file', 'x.exe'], { 'x.exe': 'x' });
  expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('takes .txt')]);
  expect(wrong.stderr).not.toContain('sent');
  const added = await osa('ada', ['depositions', 'edit', id, '--file', 'x.txt', '--json'], { 'x.txt': 'x' });
  expect(JSON.parse(added.stdout).files).toMatchObject([{ name: 'x.txt' }]);
  const removed = await osa('ada', ['depositions', 'edit', id, '--remove-file', 'x.txt', '--json']);
  expect(JSON.parse(removed.stdout).files).toEqual([]);
});

test('a wait that is over in time is not a deposition that came back', async () => {
  await using _ = await paused();
  const { code, stderr } = await osa('ada', [
    'deposit',
    'tests',
    '--set',
    'value=1',
    '--submit',
    '--wait',
    '--timeout',
    '1s',
  ]);
  expect([code, stderr]).toEqual([
    7,
    expect.stringMatching(/exit code 7: the time to wait is over; osa depositions show \S+/),
  ]);
});

test('a draft is filled in by a workbook, loses a file, and is deleted; an operator ends what is submitted', async () => {
  const id = idOf(
    await osa('ada', ['deposit', 'tests', '--set', 'value=1.25', '--file', 'x.txt', '--json'], {
      'x.txt': 'x',
    }),
  );
  const saved = await osa('ada', ['depositions', 'template', id, '--out', 'held.xlsx', '--json']);
  expect([saved.code, JSON.parse(saved.stdout)]).toMatchObject([0, { id, file: 'held.xlsx' }]);
  const there = await osa('ada', ['depositions', 'template', id, '--out', 'x.txt'], { 'x.txt': 'x' });
  expect([there.code, there.stderr]).toEqual([2, expect.stringContaining('it is there already')]);
  const none = await osa('ada', ['depositions', 'fill', id, 'x.txt'], { 'x.txt': 'PK' });
  expect([none.code, none.stderr]).toEqual([
    1,
    expect.stringContaining('cannot be read as an .xlsx workbook'),
  ]);
  const removed = await osa('ada', ['depositions', 'remove-file', id, 'x.txt', '--json']);
  expect(JSON.parse(removed.stdout).files).toEqual([]);
  const unasked = await osa('ada', ['depositions', 'delete', id]);
  expect([unasked.code, unasked.stderr]).toEqual([2, expect.stringContaining('pass --yes')]);
  const deleted = await osa('ada', ['depositions', 'delete', id, '--yes', '--json']);
  expect(JSON.parse(deleted.stdout)).toMatchObject({ id, status: 'deleted', metadata: {} });
  const ended = await osa('curator', ['depositions', 'end', id, '--reason', 'asked by mail']);
  expect([ended.code, ended.stderr]).toEqual([4, expect.stringContaining('only administrators')]);
});

/** Its hook runs nothing until the end of the test. */
async function paused(): Promise<AsyncDisposable> {
  const params = { name: 'probe' };
  await daemon.call('pauseHook', { params, json: {} });
  return { [Symbol.asyncDispose]: async () => void (await daemon.call('resumeHook', { params, json: {} })) };
}

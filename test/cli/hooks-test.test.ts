import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readArrayLiteral } from '@osa/core/array-literal';
import { describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { describeContainers } from '../support/containers/container-support.ts';
import { buildImage, podman, removeImages } from '../support/containers/images.ts';
import { hookCode } from '../support/core-archive.ts';
import { until } from '../support/database/database.ts';
import { type CliWorld, createCliWorld } from '../support/fixtures/cli-world.ts';
import { osa as builtOsa, startOsa } from '../support/programs.ts';
import { writeProject, writeRecords } from '../support/project.ts';

/** `osa hooks test`: a hook on a few records, without a server. */

const environment = { PATH: process.env.PATH };

async function tried(world: CliWorld, code: string, ...argv: string[]) {
  await writeProject(world.cwd, { code });
  await writeRecords(join(world.cwd, 'records.ndjson'), [
    ['a', 1],
    ['b', 2.5],
    ['c', 3],
  ]);
  const all = ['hooks', 'test', 'doubled', '--records', 'records.ndjson', ...argv];
  return world.osa(all, { environment });
}

const double = hookCode('return { features: [{ value: metadata.value * 2 }] }');

test('shows what became of each record, and the rows', async () => {
  await using world = await createCliWorld();
  const code = hookCode(
    "return id === 'b' ? { reason: 'not for us' } : { features: [{ value: metadata.value * 2 }] }",
  );
  const { code: exit, stdout } = await tried(world, code, '--json');
  expect([exit, JSON.parse(stdout)]).toMatchObject([
    0,
    {
      hook: 'doubled',
      ok: true,
      failure: null,
      exit_code: 0,
      records: [
        { id: 'a', status: 'passed', rows: 1 },
        { id: 'b', status: 'rejected', reason: 'not for us' },
        { id: 'c', status: 'passed' },
      ],
      invalid: [],
      row_count: 2,
      rows: [
        { id: 'a', values: { value: 2 } },
        { id: 'c', values: { value: 6 } },
      ],
    },
  ]);
  const plain = await tried(world, code, '--limit', '1');
  expect(plain.stdout).toContain('not for us');
  expect(plain.stdout).toContain('… and 1 more');
});

test('logs-02: says why a record is errored, or the hook broke its contract, and shows what it said', async () => {
  await using world = await createCliWorld();
  const forged = await tried(world, hookCode('return { features: [{ value: 1, run_id: "x" }] }'));
  expect([forged.code, forged.stdout]).toEqual([1, expect.stringContaining('run_id')]);
  const broken = await tried(world, "console.log('so \\u001b[31mnear'); process.exit(3);");
  expect([broken.code, broken.stdout]).toEqual([1, expect.stringContaining('exited with code 3')]);
  expect(broken.stdout).toContain('so \\u001b[31mnear');
  const silent = await tried(world, 'process.exit(0)', '--json');
  expect([silent.code, JSON.parse(silent.stdout).records[0].status]).toEqual([1, 'errored']);
});

test('leaves out what breaks the schema, and refuses what is no NDJSON', async () => {
  await using world = await createCliWorld();
  await writeProject(world.cwd, { code: double });
  const run = (lines: string) =>
    world.osa(['hooks', 'test', 'doubled', '--records', '-', '--json'], { environment, stdin: lines });
  const mixed = await run(
    '{"source_id":"a","metadata":{"value":1}}\n{"source_id":"b","metadata":{"value":"one"}}\n',
  );
  expect([mixed.code, JSON.parse(mixed.stdout)]).toMatchObject([
    0,
    { records: [{ id: 'a' }], invalid: [{ id: 'b', line: 2 }] },
  ]);
  const twin = '{"source_id":"a","metadata":{"value":1}}\n';
  for (const [lines, said] of [
    ['{"source_id":"a"', /^standard input: line 1: /],
    ['', /^standard input: holds no record/],
    [twin + twin, /^standard input: line 2: source_id "a" is already on line 1/],
  ] as const) {
    const { code, stdout } = await run(lines);
    expect([code, JSON.parse(stdout).error]).toMatchObject([
      2,
      { code: 'usage', message: expect.stringMatching(said) },
    ]);
  }
});

test('reads what osa ingest reads, such as a table', async () => {
  await using world = await createCliWorld();
  await tried(world, double);
  await writeFile(join(world.cwd, 'records.csv'), 'key;Value\na;2\nb;x\n');
  const argv = ['hooks', 'test', 'doubled', '--records', 'records.csv', '--id', 'key', '--json'];
  const { stdout } = await world.osa(argv, { environment });
  expect(JSON.parse(stdout)).toMatchObject({
    rows: [{ id: 'a', values: { value: 4 } }],
    invalid: [{ id: 'b', reason: expect.stringContaining('column "Value"') }],
  });
});

test('runs another directory with the command of the file', async () => {
  await using world = await createCliWorld();
  const other = join(world.cwd, 'other');
  await mkdir(other);
  await writeFile(join(other, 'hook.mjs'), hookCode('return { features: [{ value: 7 }] }'));
  const { stdout } = await tried(world, double, '--directory', 'other', '--json');
  expect(JSON.parse(stdout).rows[0]).toEqual({ id: 'a', values: { value: 7 } });
});

test('does not run another directory where the file says nothing that starts one', async () => {
  await using world = await createCliWorld();
  await writeProject(world.cwd, { code: double });
  await writeRecords(join(world.cwd, 'records.ndjson'), [['a', 1]]);
  const file = join(world.cwd, 'convention.yaml');
  const declared = parse(await readFile(file, 'utf8'));
  for (const hook of declared.hooks) hook.release = { image: `x@sha256:${'a'.repeat(64)}` };
  await writeFile(file, stringify(declared));
  const argv = ['hooks', 'test', 'doubled', '--records', 'records.ndjson', '--directory', '.', '--json'];
  const { code, stdout } = await world.osa(argv, { environment });
  expect([code, JSON.parse(stdout).error]).toMatchObject([
    2,
    { code: 'usage', field: 'directory', message: expect.stringContaining('release.command') },
  ]);
});

test('needs a hook of the file, records, and one kind of code', async () => {
  await using world = await createCliWorld();
  await writeProject(world.cwd, { code: double });
  await writeRecords(join(world.cwd, 'records.ndjson'), [['a', 1]]);
  const run = async (...argv: string[]) =>
    (await world.osa(['hooks', 'test', ...argv], { environment })).code;
  expect(await run('other', '--records', 'records.ndjson')).toBe(2);
  expect(await run('doubled')).toBe(2);
  expect(await run('doubled', '--records', 'none.ndjson')).toBe(2);
  const image = `x@sha256:${'a'.repeat(64)}`;
  expect(await run('doubled', '--records', 'records.ndjson', '--image', image, '--directory', '.')).toBe(2);
});

test('is in the built program, whose threads are the program itself', async () => {
  await using world = await createCliWorld();
  await writeProject(world.cwd, { code: double });
  await writeRecords(join(world.cwd, 'records.ndjson'), [['a', 1]]);
  const { exitCode, stdout } = await builtOsa(world.cwd, [
    'hooks',
    'test',
    'doubled',
    '--records',
    'records.ndjson',
    '--json',
  ]);
  expect([exitCode, JSON.parse(stdout).rows]).toEqual([0, [{ id: 'a', values: { value: 2 } }]]);
});

describe('array literals', () => {
  test.each([
    ['{}', []],
    ['{1,NULL,-0.5}', ['1', null, '-0.5']],
    ['{"NULL","a,b","\\"q\\" \\\\ {x}",NULL,""}', ['NULL', 'a,b', '"q" \\ {x}', null, '']],
    ['{"line\nend"}', ['line\nend']],
  ])('%j', (literal, expected) => {
    expect(readArrayLiteral(literal)).toEqual(expected);
  });
});

describeContainers('an image', () => {
  test('is tried by its digest, where the file says nothing of what it runs', async () => {
    await using world = await createCliWorld();
    await writeProject(world.cwd, { code: double });
    await writeRecords(join(world.cwd, 'records.ndjson'), [['a', 1]]);
    const file = join(world.cwd, 'convention.yaml');
    const declared = parse(await readFile(file, 'utf8'));
    for (const hook of declared.hooks) delete hook.release;
    await writeFile(file, stringify(declared));
    const { image, digest } = await buildImage({
      script: `echo '{"id":"a","features":[{"value":42}]}' > $OSA_OUT/features.jsonl`,
    });
    const ref = `${image}@${digest}`;
    const argv = ['hooks', 'test', 'doubled', '--records', 'records.ndjson', '--image', ref, '--json'];
    const { code, stdout } = await world.osa(argv, { environment: process.env });
    expect([code, JSON.parse(stdout).rows]).toEqual([0, [{ id: 'a', values: { value: 42 } }]]);
    await removeImages();
  });

  test.each(['SIGHUP', 'SIGTERM'] as const)('leaves no container behind when it gets %s', async (signal) => {
    await using world = await createCliWorld();
    const image = await buildImage({ script: 'sleep 60' });
    await writeProject(world.cwd, { code: double });
    await writeRecords(join(world.cwd, 'records.ndjson'), [['a', 1]]);
    const ref = `${image.image}@${image.digest}`;
    const trial = startOsa(world.cwd, [
      'hooks',
      'test',
      'doubled',
      '--records',
      'records.ndjson',
      '--image',
      ref,
    ]);
    const id = await podman('image', 'inspect', `${image.image}:latest`, '--format', '{{.Id}}');
    const containers = (...which: string[]) =>
      podman('ps', '--quiet', ...which, '--filter', `ancestor=${id}`);
    await until('the container', async () => (await containers()) !== '');
    trial.kill(signal);
    const { exitCode } = await trial;
    expect([exitCode, await containers('--all')]).toEqual([130, '']);
    await removeImages();
  });
});

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildExecutable } from '../../scripts/build-executable.ts';
import { scratch } from '../support/database/database.ts';

/** The CLI as one file, without a Node on the path. */

const canBuild =
  process.platform === 'linux' && (await execa(process.execPath, ['--help'])).stdout.includes('--build-sea');

describe.skipIf(!canBuild)('the single executable (linux, with a Node that has --build-sea)', () => {
  let place: Awaited<ReturnType<typeof scratch>>;
  let program: string;
  beforeAll(async () => {
    place = await scratch();
    program = join(place.path, 'osa');
    await buildExecutable({ out: program });
  }, 120_000);
  afterAll(() => place.dispose());

  const run = (...args: string[]) =>
    execa(program, args, {
      ...{ cwd: place.path, reject: false, extendEnv: false },
      env: { HOME: place.path, PATH: '/usr/bin:/bin', CI: 'true' },
    });

  test('says its version, starts a dataset and validates it', async () => {
    const { version } = JSON.parse(await readFile('packages/cli/package.json', 'utf8')) as {
      version: string;
    };
    expect((await run('--version')).stdout).toBe(version);
    expect((await run('init', 'dataset')).exitCode).toBe(0);
    const valid = await run('validate', 'dataset/convention.yaml', '--json');
    expect(valid.exitCode, valid.stderr).toBe(0);
    expect(JSON.parse(valid.stdout)).toMatchObject({ file: 'dataset/convention.yaml' });
  });

  test('runs a hook, whose output a thread reads', async () => {
    const hook = `while read -r line; do
  id=$(echo "$line" | sed 's/.*"id":"\\([^"]*\\)".*/\\1/')
  echo "{\\"id\\":\\"$id\\",\\"features\\":[{\\"value\\":7}]}" >> "$OSA_OUT/features.jsonl"
done < "$OSA_IN/records.jsonl"
`;
    const manifest = `slug: one
title: One
description: One hook.
schema: { id: one, version: 1.0.0, fields: [{ name: value, type: number, required: true }] }
hooks:
  - name: seven
    feature: { cardinality: one, columns: [{ name: value, json_type: number, required: true }] }
    release: { directory: ./hook, command: [sh, hook.sh] }
`;
    await mkdir(join(place.path, 'hook'));
    await writeFile(join(place.path, 'hook/hook.sh'), hook);
    await writeFile(join(place.path, 'convention.yaml'), manifest);
    await writeFile(join(place.path, 'records.ndjson'), '{"source_id":"a","metadata":{"value":1}}\n');
    const tested = await run('hooks', 'test', 'seven', '--records', 'records.ndjson', '--json');
    expect(tested.exitCode, tested.stderr).toBe(0);
    expect(JSON.parse(tested.stdout)).toMatchObject({ hook: 'seven', ok: true });
    expect(tested.stdout).toMatch(/"value": 7/);
  });

  test('says what it cannot do without Node', async () => {
    const { exitCode, stderr } = await run('dev');
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('npx @osa/daemon --dev')]);
  });
});

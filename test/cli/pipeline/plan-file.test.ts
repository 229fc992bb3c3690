import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type TestDaemon, testDaemon } from '../../support/daemon-support.ts';
import { type CliWorld, createCliWorld } from '../../support/fixtures/cli-world.ts';
import { writeProject } from '../../support/project.ts';

/** A reviewed plan as a file, and a deploy that is held to it. */

let daemon: TestDaemon;
let world: CliWorld;
let environment: NodeJS.ProcessEnv;
beforeAll(async () => {
  daemon = await testDaemon();
});
afterAll(() => daemon.close());
let count = 0;
beforeEach(async () => {
  world = await createCliWorld();
  const token = (await daemon.bearer(['conventions:write', 'hooks:write', 'runs:read'])).slice(
    'Bearer '.length,
  );
  environment = { OSA_SERVER: daemon.url, OSA_TOKEN: token };
  count += 1;
  await project('process.exit(0)');
  return () => world[Symbol.asyncDispose]();
});

const project = (code: string) =>
  writeProject(world.cwd, { code, hook: `hook_${count}`, slug: `plan-${count}` }).then(() => owned());
/** Each test has a schema of its own. */
async function owned(): Promise<void> {
  const path = join(world.cwd, 'convention.yaml');
  await writeFile(path, (await readFile(path, 'utf8')).replace('number-record', `number-${count}`));
}
const osa = (...argv: string[]) => world.osa(argv, { environment });

test('a plan is written, and a deploy that does the same is done', async () => {
  expect((await osa('deploy', '--plan', '--out', 'plan.json')).code).toBe(3);
  const plan = JSON.parse(await readFile(join(world.cwd, 'plan.json'), 'utf8'));
  expect(plan).toMatchObject({
    osa_plan: 1,
    slug: `plan-${count}`,
    reviewed: {
      archive: expect.stringMatching(/^localhost#[0-9a-f]{12}$/),
      digest: expect.stringMatching(/^sha256:/),
    },
  });
  expect(await osa('deploy', '--expect-plan', 'plan.json')).toMatchObject({ code: 0 });
  // It says that all of it is new, which it no longer is.
  expect((await osa('deploy', '--expect-plan', 'plan.json')).code).toBe(1);
});

test('an archive that has moved since is refused with what differs, and nothing is deployed', async () => {
  await osa('deploy');
  await project('process.exit(1)');
  await osa('deploy', '--plan', '--out', 'plan.json');
  await project('process.exit(2)');
  await osa('deploy');
  await project('process.exit(1)');
  const before = (await daemon.call('listDeploys')).items.length;
  const { code, stderr } = await osa('deploy', '--expect-plan', 'plan.json');
  expect(code).toBe(1);
  expect(stderr).toContain(`- reviewed: hook hook_${count} unchanged, release v2 created`);
  expect(stderr).toContain(`+ would now: hook hook_${count} unchanged, release v3 created`);
  expect(stderr).toContain('the archive has changed since the plan was reviewed; nothing was deployed');
  expect((await daemon.call('listDeploys')).items).toHaveLength(before);
});

test('code or a file that has changed since is refused', async () => {
  await osa('deploy', '--plan', '--out', 'plan.json');
  await project('process.exit(7)');
  const { code, stderr } = await osa('deploy', '--expect-plan', 'plan.json');
  expect([code, stderr]).toEqual([1, expect.stringContaining('the convention file or a hook has changed')]);
});

test('a plan of another archive is refused', async () => {
  await osa('deploy', '--plan', '--out', 'plan.json');
  const path = join(world.cwd, 'plan.json');
  const plan = JSON.parse(await readFile(path, 'utf8'));
  const reviewed = { ...plan.reviewed, archive: 'example.org', digest: `sha256:${'0'.repeat(64)}` };
  await writeFile(path, JSON.stringify({ ...plan, reviewed }));
  const { code, stderr } = await osa('deploy', '--expect-plan', 'plan.json');
  expect([code, stderr]).toEqual([
    1,
    expect.stringContaining('the plan is of the archive example.org, and this is localhost#'),
  ]);
});

test('a plan of another archive of the same domain is refused', async () => {
  await osa('deploy', '--plan', '--out', 'plan.json');
  await using other = await anotherArchive();
  const token = (await other.bearer(['conventions:write', 'hooks:write'])).slice('Bearer '.length);
  const argv = ['deploy', '--expect-plan', 'plan.json'];
  const { code, stderr } = await world.osa(argv, {
    environment: { OSA_SERVER: other.url, OSA_TOKEN: token },
  });
  expect([code, stderr]).toEqual([
    1,
    expect.stringMatching(/the plan is of the archive localhost#\w{12}, and this is localhost#\w{12};/),
  ]);
});

/** Databases of tests are copies of one that is migrated; this one was made at another time. */
async function anotherArchive(): Promise<TestDaemon & AsyncDisposable> {
  const other = await testDaemon();
  const owner = other.database.open(other.database.ownerUrl, { max: 1 });
  await owner.sql`update schema_migrations set applied_at = applied_at - interval '1 microsecond'`;
  return { ...other, [Symbol.asyncDispose]: () => other.close() };
}

test.each([
  ['no file', undefined, 'cannot be read (ENOENT)'],
  ['no JSON', '{', 'is not a plan of osa'],
  ['another document', '{"slug": "x"}', 'is not a plan of osa'],
])('%s is no plan', async (_, text, said) => {
  if (text !== undefined) await writeFile(join(world.cwd, 'plan.json'), text);
  const { code, stderr } = await osa('deploy', '--expect-plan', 'plan.json');
  expect([code, stderr]).toEqual([2, expect.stringContaining(said)]);
});

test('the options go with what they are for', async () => {
  expect(await osa('deploy', '--out', 'x')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--plan'),
  });
  expect((await osa('deploy', '--plan', '--expect-plan', 'x')).code).toBe(2);
  expect((await osa('deploy', '--plan', '--out', 'missing/plan.json')).code).toBe(2);
});

import { generateKeyPairSync } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Answer } from '@osa/core/api';
import { DeployRequest } from '@osa/core/convention/convention';
import { describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { deployed } from '../support/fixtures/cli-answers.ts';
import { type CliWorld, createCliWorld, problem, startFakeServer } from '../support/fixtures/cli-world.ts';

/** `osa deploy` before it changes anything, in CI, and afterwards as history. */

const key = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
const digest = `sha256:${'ab'.repeat(32)}`;

type Plan = Answer<'planDeploy'>;
type HookPlan = Plan['changes']['hooks'][number];

const [created] = deployed.changes.hooks as [HookPlan];
const pending: Plan = {
  slug: 'project',
  changed: true,
  refused: false,
  reasons: [],
  reviewed: null,
  warnings: [],
  changes: {
    ...deployed.changes,
    convention: 'updated',
    convention_fields: [{ path: 'title', from: 'Samples', to: 'Mineral samples' }],
    schema: 'unchanged',
    hooks: [{ ...created, hook: 'unchanged', version: 2, live_version: 2 }],
    removed_hooks: ['colour'],
  },
};
const nothing: Plan = {
  ...pending,
  changed: false,
  changes: {
    ...pending.changes,
    convention: 'unchanged',
    convention_fields: [],
    removed_hooks: [],
    hooks: [{ ...created, hook: 'unchanged', release: 'known' }],
  },
};
const reason = 'hooks[0] density: a contract never changes: columns.density.unit: "kg/m3" → "g/cm3"';
const refused: Plan = {
  ...pending,
  refused: true,
  reasons: [reason],
  changes: {
    ...pending.changes,
    hooks: [
      {
        ...created,
        hook: 'refused',
        differences: [{ path: 'columns.density.unit', from: 'kg/m3', to: 'g/cm3' }],
      },
    ],
  },
};

/** A server that answers plans with `plan` and deploys with `answer`, and has every blob. */
async function archive(plan: Plan = pending, answer: object = { status: 201, body: deployed }) {
  return startFakeServer(({ path }) => {
    if (path.startsWith('/api/v1/conventions/plan')) return { body: plan };
    if (path.startsWith('/api/v1/conventions')) return { body: {}, ...answer };
    return { body: { sha256: path.split('/').at(-1), size: 1 } };
  });
}

async function dataset(): Promise<CliWorld> {
  const world = await createCliWorld();
  await world.osa(['init']);
  return world;
}

function asCi(server: { readonly url: string }, more: NodeJS.ProcessEnv = {}) {
  return { environment: { OSA_KEY: key, OSA_SERVER: server.url, ...more } };
}

/** Scopes of the last request's token. */
function scopesOf({ requests }: Awaited<ReturnType<typeof archive>>): string {
  const payload = requests.at(-1)?.headers.authorization?.split('.')[1] ?? '';
  return Buffer.from(payload, 'base64url').toString();
}

describe('deploy --plan', () => {
  test.each([
    ['0 when there is nothing to change', nothing, 0, 'a deploy would change nothing'],
    ['3 when there are changes', pending, 3, 'new release v2'],
    ['1 when it would be refused', refused, 1, reason],
  ])('exits with %s, and says what', async (_, plan, expected, said) => {
    await using world = await dataset();
    await using server = await archive(plan);
    const { code, stdout } = await world.osa(['deploy', '--plan'], asCi(server));
    expect(code).toBe(expected);
    expect(stdout).toContain(said);
    const told = plan.changes.hooks.some(({ hook }) => hook === 'created');
    expect(stdout.includes('number columns of density hold doubles')).toBe(told);
    const again = await world.osa(['deploy', '--dry-run', '--json'], asCi(server));
    expect([again.code, JSON.parse(again.stdout)]).toEqual([expected, plan]);
  });

  test('names changed fields and removed hooks', async () => {
    await using world = await dataset();
    await using server = await archive();
    const { stdout } = await world.osa(['deploy', '--plan'], asCi(server));
    expect(stdout).toContain('title: "Samples" → "Mineral samples"');
    expect(stdout).toMatch(/colour +no longer in the convention/);
  });

  test('shows what each new release differs in from the live one, as hooks diff does', async () => {
    await using world = await dataset();
    const [hook] = pending.changes.hooks;
    const differences = [
      { path: 'digest', from: `sha256:${'a'.repeat(64)}`, to: `sha256:${'b'.repeat(64)}` },
      { path: 'command', from: ['node', 'old.mjs'], to: ['node', 'new.mjs'] },
      { path: 'config.relation', from: 'hanks', to: 'choy' },
      { path: 'config.added', from: null, to: 1 },
      { path: 'limits.memory', from: '1g', to: '2g' },
      { path: 'source_ref', from: 'git:1', to: 'git:2' },
    ];
    const changes = { ...pending.changes, hooks: [{ ...hook, differences }] };
    await using server = await archive({ ...pending, changes } as Plan);
    const { stdout } = await world.osa(['deploy', '--plan'], asCi(server));
    expect(stdout).toMatch(/live +v2/);
    expect(stdout).toMatch(/digest +sha256:aaaaaaaaaaaa +sha256:bbbbbbbbbbbb\n/);
    expect(stdout).toMatch(/command +node old\.mjs +node new\.mjs\n/);
    expect(stdout).toMatch(/config\.relation +"hanks" +"choy"\n/);
    expect(stdout).toMatch(/config\.added +- +1\n/);
    expect(stdout).toMatch(/limits\.memory +1g +2g\n/);
    expect(stdout).toMatch(/source_ref +git:1 +git:2\n/);
    expect(JSON.parse(scopesOf(server)).scope).toContain('runs:read');
  });

  test('says which rows a change of the schema leaves under the version before', async () => {
    await using world = await dataset();
    const convention_fields = [{ path: 'schema', from: 'strike@1.0.0', to: 'strike@1.1.0' }];
    const [first] = pending.changes.hooks;
    const hooks = [{ ...first, name: 'severity', hook: 'unchanged' }];
    const plan = { ...pending, changes: { ...pending.changes, convention_fields, hooks } } as Plan;
    const items = [
      { schema_id: { id: 'strike', version: '1.1.0' }, version: 2, rows: 5, has_more: false },
      { schema_id: { id: 'strike', version: '1.0.0' }, version: 2, rows: 4_000, has_more: false },
      { schema_id: { id: 'strike', version: '1.0.0' }, version: 1, rows: 6_000, has_more: false },
    ];
    await using server = await startFakeServer(({ path }) =>
      path === '/api/v1/hooks/severity/rows' ? { body: { hook_name: 'severity', items } } : { body: plan },
    );
    const { stdout } = await world.osa(['deploy', '--plan'], asCi(server));
    expect(stdout).toContain(
      '! severity: 10,000 rows of strike@1.0.0 are not among those of strike@1.1.0: osa rows severity --schema strike@1.0.0',
    );
  });

  test('digests the directories and uploads nothing', async () => {
    await using world = await dataset();
    await using server = await archive();
    await world.osa(['deploy', '--plan'], asCi(server));
    expect(server.requests.map(({ path }) => path)).toEqual(['/api/v1/conventions/plan?activate=false']);
    const body = DeployRequest.parse(JSON.parse(server.requests[0]?.body ?? ''));
    expect(body.hooks[0]?.release.digest).toMatch(/^sha256:[0-9a-f]{64}$/);
  });

  test('is asked again after a lost connection: it changes nothing', async () => {
    await using world = await dataset();
    await using server = await startFakeServer((_, count) => (count === 1 ? 'cut' : { body: nothing }));
    expect((await world.osa(['deploy', '--plan'], asCi(server))).code).toBe(0);
    expect(server.requests).toHaveLength(2);
  });
});

describe('deploy --activate', () => {
  test('asks for it, with the scopes of the hooks of the file', async () => {
    await using world = await dataset();
    await using server = await archive();
    expect((await world.osa(['deploy', '--activate'], asCi(server))).code).toBe(0);
    expect(server.requests.at(-1)?.path).toBe('/api/v1/conventions?activate=true');
    expect(scopesOf(server)).toContain('hooks:write:density');
    await world.osa(['deploy'], asCi(server));
    expect(scopesOf(server)).not.toContain('hooks:write');
  });
});

describe('deploy --scope', () => {
  test('asks for all that are given, by commas and by the option again', async () => {
    await using world = await dataset();
    await using server = await archive();
    const argv = ['deploy', '--scope', 'hooks:write:a,hooks:write:b', '--scope', 'runs:read'];
    expect((await world.osa(argv, asCi(server))).code).toBe(0);
    expect(scopesOf(server)).toContain('conventions:write:project hooks:write:a hooks:write:b runs:read');
  });

  test.each([[','], ['hooks:write:"a"']])('refuses %j', async (scope) => {
    await using world = await dataset();
    await using server = await archive();
    expect((await world.osa(['deploy', '--scope', scope], asCi(server))).code).toBe(2);
    expect(server.requests).toHaveLength(0);
  });
});

describe('deploy --release', () => {
  test('runs the image that was built, and packs nothing for it', async () => {
    await using world = await dataset();
    await using server = await archive();
    await rm(join(world.cwd, 'hooks'), { recursive: true });
    const argv = ['deploy', '--release', `density=ghcr.io/acme/density:1@${digest}`];
    expect((await world.osa(argv, asCi(server))).code).toBe(0);
    expect(server.requests).toHaveLength(1);
    const { hooks } = DeployRequest.parse(JSON.parse(server.requests[0]?.body ?? ''));
    expect(hooks[0]?.release).toMatchObject({ runtime: 'image', image: 'ghcr.io/acme/density:1', digest });
    expect(hooks[0]?.release.command).toBeUndefined();
  });

  test('needs no release in the file', async () => {
    await using world = await dataset();
    await using server = await archive();
    const file = join(world.cwd, 'convention.yaml');
    const declared = parse(await readFile(file, 'utf8'));
    for (const hook of declared.hooks) delete hook.release;
    await writeFile(file, stringify(declared));
    const without = await world.osa(['deploy'], asCi(server));
    expect([without.code, without.stderr]).toEqual([2, expect.stringContaining('hooks[0].release')]);
    const argv = ['deploy', '--release', `density=ghcr.io/acme/density:1@${digest}`];
    expect((await world.osa(argv, asCi(server))).code).toBe(0);
    const { hooks } = DeployRequest.parse(JSON.parse(server.requests[0]?.body ?? ''));
    expect(hooks[0]?.release).toMatchObject({ runtime: 'image', image: 'ghcr.io/acme/density:1', digest });
  });

  test('names a hook that the file does not have before it misses the release of another', async () => {
    await using world = await dataset();
    const file = join(world.cwd, 'convention.yaml');
    const declared = parse(await readFile(file, 'utf8'));
    for (const hook of declared.hooks) delete hook.release;
    await writeFile(file, stringify(declared));
    const { code, stderr } = await world.osa(['deploy', '--release', `densty=x@${digest}`]);
    expect([code, stderr]).toEqual([
      2,
      'error: --release: convention.yaml has no hook densty (did you mean density?); its hooks: density\n',
    ]);
    await writeFile(file, 'title: [');
    expect((await world.osa(['deploy', '--release', `densty=x@${digest}`])).stderr).toContain(
      'not valid YAML',
    );
  });

  test.each([
    ['an unknown hook', [`colour=x@${digest}`], 'density'],
    ['a hook twice', [`density=x@${digest}`, `density=y@${digest}`], 'twice'],
    ['a tag', ['density=ghcr.io/acme/density:1'], 'sha256'],
    ['no image', ['density'], 'REF@sha256'],
  ])('refuses %s', async (_, given, said) => {
    await using world = await dataset();
    await using server = await archive();
    const argv = ['deploy', ...given.flatMap((image) => ['--release', image])];
    const { code, stderr } = await world.osa(argv, asCi(server));
    expect([code, stderr]).toEqual([2, expect.stringContaining(said)]);
    expect(server.requests).toHaveLength(0);
  });
});

describe('under GitHub Actions', () => {
  const actions = (world: CliWorld) => ({
    GITHUB_ACTIONS: 'true',
    GITHUB_WORKSPACE: join(world.cwd, '..'),
    GITHUB_STEP_SUMMARY: join(world.cwd, 'summary.md'),
  });

  test('annotates the problems of the file, from the root of the checkout', async () => {
    await using world = await dataset();
    await using server = await archive();
    const file = join(world.cwd, 'odd, 100%:name.yaml');
    const text = (await readFile(join(world.cwd, 'convention.yaml'), 'utf8')).replace('title: ', 'titel: ');
    await writeFile(file, text.replace('json_type: number', 'json_type: "100%\\nnumbr"'));
    const argv = ['deploy', 'odd, 100%:name.yaml', '--json'];
    const { code, stdout, stderr } = await world.osa(argv, asCi(server, actions(world)));
    expect([code, JSON.parse(stdout).error.code]).toEqual([2, 'usage']);
    expect(stderr).toMatch(/^::error file=project\/odd%2C 100%25%3Aname\.yaml,line=3,col=1::titel: /m);
    expect(stderr).toMatch(/^::error [^\n]*,line=\d+,col=\d+::hooks\[0\]\.feature[^\n]*100%25/m);
    const plain = await world.osa(argv, asCi(server));
    expect(plain.stderr).not.toContain('::error');
  });

  test('annotates what a plan refuses, and what a deploy does, at its place', async () => {
    await using world = await dataset();
    const conflict = problem(409, 'conflict', reason, { field: 'hooks[0].feature.columns.density.unit' });
    await using server = await archive(refused, conflict);
    const lines = (await readFile(join(world.cwd, 'convention.yaml'), 'utf8')).split('\n');
    const line = lines.findIndex((text) => text.includes('name: density, json_type')) + 1;
    for (const argv of [['deploy', '--plan'], ['deploy']]) {
      const { code, stderr } = await world.osa(argv, asCi(server, actions(world)));
      expect(code).toBe(1);
      const annotations = stderr.split('\n').filter((text) => text.startsWith('::error'));
      expect(annotations).toHaveLength(1);
      expect(annotations[0]).toMatch(
        new RegExp(`^::error file=project/convention\\.yaml,line=${line},col=\\d+::`),
      );
    }
  });

  test('annotates and sums up each difference that a deploy is refused for', async () => {
    await using world = await dataset();
    const differences = [
      { path: 'schema.fields.mass.unit', from: 'kg', to: 'g' },
      { path: 'hooks[0].feature.columns.density.unit', from: 'kg/m3', to: 'g/cm3' },
    ];
    const conflict = problem(409, 'conflict', reason, {
      field: differences[0]?.path,
      details: { differences },
    });
    await using server = await archive(pending, conflict);
    const lines = (await readFile(join(world.cwd, 'convention.yaml'), 'utf8')).split('\n');
    const lineOf = (text: string) => lines.findIndex((line) => line.includes(text)) + 1;
    const { stderr } = await world.osa(['deploy'], asCi(server, actions(world)));
    const annotations = stderr.split('\n').filter((text) => text.startsWith('::error'));
    expect(annotations).toEqual([
      expect.stringMatching(
        `,line=${lineOf('name: mass')},col=\\d+::schema.fields.mass.unit: "kg" → "g"; .* never changes`,
      ),
      expect.stringMatching(`,line=${lineOf('name: density, json_type')},.*: "kg/m3" → "g/cm3"; `),
    ]);
    const summary = await readFile(join(world.cwd, 'summary.md'), 'utf8');
    expect(summary).toContain('### project: not deployed');
    expect(summary).toMatch(/^- schema\.fields\.mass\.unit: "kg" → "g"/m);
    expect(summary).toMatch(/^- hooks\\\[0\\\].*density\.unit: "kg\/m3"/m);
    expect(summary).not.toContain('| part |');
  });

  test('annotates each problem that the server finds with what was sent', async () => {
    await using world = await dataset();
    const problems = [
      { field: 'schema.fields[1].unit', message: 'schema.fields[1].unit: "g": is odd' },
      { field: 'hooks[0].config', message: 'hooks[0].config: 1: must be an object' },
    ];
    const invalid = problem(422, 'invalid', 'two problems', { field: 'schema', details: { problems } });
    await using server = await archive(pending, invalid);
    const { stderr } = await world.osa(['deploy'], asCi(server, actions(world)));
    const annotations = stderr.split('\n').filter((text) => text.startsWith('::error'));
    expect(annotations).toEqual([
      expect.stringMatching(
        /file=project\/convention\.yaml,line=\d+,col=\d+::schema\.fields\[1\]\.unit: "g"/,
      ),
      expect.stringMatching(/file=project\/convention\.yaml,line=\d+,col=\d+::hooks\[0\]\.config: 1: must/),
    ]);
  });

  test('sums up what is wrong with the file', async () => {
    await using world = await dataset();
    await using server = await archive();
    const file = join(world.cwd, 'convention.yaml');
    await writeFile(file, (await readFile(file, 'utf8')).replace('title: ', 'titel: '));
    await world.osa(['deploy'], asCi(server, actions(world)));
    const summary = await readFile(join(world.cwd, 'summary.md'), 'utf8');
    expect(summary).toMatch(/^### convention\.yaml: not deployed\n(.*\n)*- titel: is not a key here/);
  });

  test('annotates no file for what is not of the file', async () => {
    await using world = await dataset();
    await using server = await archive(pending, problem(500, 'internal', 'broken'));
    const { stderr } = await world.osa(['deploy'], asCi(server, actions(world)));
    expect(stderr).toContain('::error::broken');
  });

  test('appends the parts to the summary of the job', async () => {
    await using world = await dataset();
    const summary = join(world.cwd, 'summary.md');
    await writeFile(summary, 'before\n');
    const named = { ...pending, changes: { ...pending.changes, removed_hooks: ['a|b'] } };
    await using server = await archive(named);
    await world.osa(['deploy', '--plan'], asCi(server, actions(world)));
    await world.osa(['deploy'], asCi(server, actions(world)));
    const text = await readFile(summary, 'utf8');
    expect(text.startsWith('before\n')).toBe(true);
    expect(text).toContain('### project: changes pending');
    expect(text).toContain('| hook | density | new release v2 |');
    expect(text).toContain('| hook | a\\|b |');
    expect(text).toContain('### samples deployed');
  });

  test('the step has outputs, and a plan with changes ends well where that is asked for', async () => {
    await using world = await dataset();
    await using server = await archive();
    const outputs = join(world.cwd, 'outputs');
    const environment = { ...actions(world), GITHUB_OUTPUT: outputs };
    const planned = await world.osa(['deploy', '--plan', '--exit-zero'], asCi(server, environment));
    expect([planned.code, await readFile(outputs, 'utf8')]).toEqual([
      0,
      expect.stringMatching(/^slug=project\nchanged=true\nversion_density=2\n/),
    ]);
    expect((await world.osa(['deploy'], asCi(server, environment))).code).toBe(0);
    expect(await readFile(outputs, 'utf8')).toContain(`deploy_id=${deployed.deploy_id}\n`);
  });

  test('deploys also where the summary cannot be written, and says so', async () => {
    await using world = await dataset();
    await using server = await archive();
    const environment = { ...actions(world), GITHUB_STEP_SUMMARY: world.cwd };
    const { code, stderr } = await world.osa(['deploy'], asCi(server, environment));
    expect([code, stderr]).toEqual([0, expect.stringContaining('GITHUB_STEP_SUMMARY')]);
  });
});

describe('deploys', () => {
  const item: Answer<'listDeploys'>['items'][number] = {
    id: deployed.deploy_id,
    slug: 'samples',
    manifest_digest: digest,
    changed: true,
    changes: deployed.changes,
    job: null,
    holds: [],
    source_refs: [`git+https://github.com/acme/samples@${'01'.repeat(20)}`],
    actor: { issuer: 'osa-cli', subject: 'acme/samples' },
    at: deployed.created_at,
  };

  test('list says what was changed, by whom, from which code', async () => {
    await using world = await createCliWorld();
    await using server = await startFakeServer(() => ({ body: { items: [item], next_cursor: 'abc' } }));
    const argv = ['deploys', 'list', 'samples', '--limit', '1', '--server', server.url];
    const { code, stdout, stderr } = await world.osa(argv);
    expect([code, server.requests[0]?.path]).toEqual([0, '/api/v1/deploys?limit=1&convention=samples']);
    expect(stdout).toContain('convention created, schema created, density v1');
    expect(stdout).toContain('acme/samples');
    expect(stdout).toContain('@010101010101 ');
    expect(stderr).toContain(`osa deploys list samples --limit 1 --server ${server.url} --cursor abc`);
    expect(JSON.parse((await world.osa([...argv, '--json'])).stdout)).toMatchObject({ next_cursor: 'abc' });
  });

  test('show prints its parts, and the sent manifest to readers who may see it', async () => {
    await using world = await createCliWorld();
    const manifest = { schema: { id: 'mineral-sample', version: '1.0.0' }, secret: 'hush' };
    await using server = await startFakeServer(({ headers }) => ({
      body: { ...item, manifest: headers.authorization ? manifest : null },
    }));
    const argv = ['deploys', 'show', item.id];
    const { stdout } = await world.osa(argv, asCi(server));
    expect(stdout).toMatch(/schema +mineral-sample@1\.0\.0 +created/);
    expect(stdout).toMatch(/by +acme\/samples/);
    expect(stdout).not.toContain('hush');
    const json = await world.osa([...argv, '--json'], asCi(server));
    expect(JSON.parse(json.stdout).manifest).toEqual(manifest);
    const open = await world.osa([...argv, '--json', '--server', server.url]);
    expect(JSON.parse(open.stdout).manifest).toBeNull();
  });

  test('show of an unknown one exits with 1', async () => {
    await using world = await createCliWorld();
    await using server = await startFakeServer(() => problem(404, 'not_found', 'no deploy'));
    expect((await world.osa(['deploys', 'show', item.id, '--server', server.url])).code).toBe(1);
  });
});

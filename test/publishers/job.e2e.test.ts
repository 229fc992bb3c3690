import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type TestDaemon, testDaemon } from '../support/daemon-support.ts';
import { until } from '../support/database/database.ts';
import { type CliWorld, createCliWorld } from '../support/fixtures/cli-world.ts';
import { writeProject, writeRecords } from '../support/project.ts';
import { type OpenIdProvider, openIdProvider } from './openid.ts';

/** A CI run without any secret: it deploys, and the trace of a row shows what its provider signed. */

let daemon: TestDaemon;
let ci: OpenIdProvider;
let world: CliWorld;
beforeAll(async () => {
  [daemon, ci, world] = await Promise.all([testDaemon(), openIdProvider(), createCliWorld()]);
  await writeProject(world.cwd, {
    code: `import { readFileSync, writeFileSync } from 'node:fs';
const lines = readFileSync(process.env.OSA_IN + '/records.jsonl', 'utf8').split('\\n').filter(Boolean).map((line) => JSON.parse(line));
writeFileSync(process.env.OSA_OUT + '/features.jsonl', lines.map(({ id, metadata }) => JSON.stringify({ id, features: [{ value: 2 * metadata.value }] }) + '\\n').join(''));`,
  });
  await writeRecords(join(world.cwd, 'records.ndjson'), [['one', 1]]);
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await daemon.close();
  await ci[Symbol.asyncDispose]();
});

const operator = async (...scopes: string[]) => ({
  OSA_SERVER: daemon.url,
  OSA_TOKEN: (await daemon.bearer(scopes)).slice('Bearer '.length),
});

test('a job deploys by its ID token, and osa trace shows repository, commit and workflow', async () => {
  const add = [
    'publishers',
    'add',
    ci.issuer,
    '--claim',
    'repository=acme/quakes',
    '--claim',
    'ref=refs/heads/main',
  ];
  const admin = await operator(
    'publishers:write',
    'conventions:write',
    'ingestions:write',
    'ingestions:read',
    'runs:read',
  );
  const trusted = await world.osa(
    [...add, '--scope', 'conventions:write:numbers,ingestions:write,ingestions:read'],
    {
      environment: admin,
    },
  );
  expect(trusted).toMatchObject({ code: 0, stdout: expect.stringContaining('refs/heads/main') });

  // GitHub's way: the job asks for a token with the archive's audience.
  const asked: string[] = [];
  const github = createServer((request, response) => {
    asked.push(request.headers.authorization ?? '');
    const audience = new URL(request.url ?? '', 'http://x').searchParams.get('audience') ?? '';
    response.end(JSON.stringify({ value: ci.token(ci.claims(audience)) }));
  });
  github.listen(0, '127.0.0.1');
  await once(github, 'listening');
  const environment = {
    CI: 'true',
    OSA_SERVER: daemon.url,
    ACTIONS_ID_TOKEN_REQUEST_URL: `http://127.0.0.1:${(github.address() as AddressInfo).port}/token?v=1`,
    ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'of-the-runner',
  };
  const deployed = await world.osa(['deploy'], { environment });
  expect(deployed).toMatchObject({ code: 0, stdout: expect.stringContaining('numbers deployed') });
  // One exchange for a command, whatever it calls.
  expect(asked).toEqual(['Bearer of-the-runner']);
  const ingested = await world.osa(['ingest', 'numbers', 'records.ndjson'], { environment });
  expect(ingested.code).toBe(0);
  github.close();

  const row = await until(
    'a row',
    async () => (await world.osa(['rows', 'doubled', '--json'], { environment: admin })).stdout,
  );
  expect(JSON.parse(row).rows).toHaveLength(1);
  const { stdout } = await world.osa(['trace', 'doubled/1'], { environment: admin });
  expect(stdout).toContain('repository acme/quakes');
  expect(stdout).toContain('commit 7514fa1dc7bdff47c7850d2611e3535a2dcfcd9c');
  expect(stdout).toContain('workflow acme/quakes/.github/workflows/deploy.yml@refs/heads/main');
  const [deploy] = (await daemon.call('listDeploys')).items;
  const shown = await world.osa(['deploys', 'show', deploy?.id ?? ''], { environment: admin });
  expect(shown.stdout).toContain('repository acme/quakes');
});

test('OSA_ID_TOKEN is taken once; osa token gives a token for the commands after it', async () => {
  const environment = {
    CI: 'true',
    OSA_SERVER: daemon.url,
    OSA_ID_TOKEN: ci.token(ci.claims('https://localhost')),
  };
  const token = await world.osa(['token'], { environment });
  expect(token.code).toBe(0);
  const again = await world.osa(['deploy'], { environment });
  expect([again.code, again.stderr]).toEqual([4, expect.stringContaining('export OSA_TOKEN="$(osa token)"')]);
  const more = { CI: 'true', OSA_SERVER: daemon.url, OSA_TOKEN: token.stdout.trim() };
  for (const command of [['deploy'], ['deploy', '--plan']]) {
    expect((await world.osa(command, { environment: more })).code).toBe(0);
  }
});

test('a job of another repository is refused with what differs, and an ID token goes to no server of a project', async () => {
  const claims = ci.claims('https://localhost', { ref: 'refs/heads/dev' });
  const refused = await world.osa(['deploy'], {
    environment: { OSA_SERVER: daemon.url, OSA_ID_TOKEN: ci.token(claims) },
  });
  expect([refused.code, refused.stderr]).toEqual([4, expect.stringContaining('"refs/heads/dev"')]);
  // Another command of the same job would only be refused in the same way.
  expect(refused.stderr).not.toContain('osa auth');
  await using other = await createCliWorld();
  await writeProject(other.cwd, { code: '' });
  await mkdir(join(other.cwd, '.osa'));
  await writeFile(join(other.cwd, '.osa', 'config.json'), JSON.stringify({ server: daemon.url }));
  const kept = await other.osa(['deploy'], {
    environment: { OSA_ID_TOKEN: ci.token(ci.claims('https://localhost')) },
  });
  expect([kept.code, kept.stderr]).toEqual([4, expect.stringContaining('does not send')]);
});

test('a token endpoint of the CI that does not answer is named, and no osa server is suggested', async () => {
  const environment = {
    OSA_SERVER: daemon.url,
    ACTIONS_ID_TOKEN_REQUEST_URL: 'http://127.0.0.1:9/token?x=1',
    ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'secret',
  };
  const { code, stdout } = await world.osa(['deploy', '--json'], { environment });
  const { error } = JSON.parse(stdout);
  expect([code, error.code, error.details.url]).toEqual([5, 'unreachable', 'http://127.0.0.1:9']);
  expect(error.message).toContain('ACTIONS_ID_TOKEN_REQUEST_URL');
  expect(error.message).not.toMatch(/osa dev|--server/);
});

test('a provider that nobody knows is taken for a GitLab, and the answer says so', async () => {
  const environment = await operator('publishers:write', 'conventions:write');
  const start = ['publishers', 'add', ci.issuer, '--scope', 'conventions:write:quakes'];
  const named = await world.osa([...start, '--repository', 'acme/other', '--ref', 'main'], { environment });
  expect(named.code).toBe(0);
  expect(named.stderr).toMatch(
    /taken for a GitLab: .+project_path and --ref as ref_path.+ --claim NAME=VALUE/,
  );
  const claimed = await world.osa([...start, '--claim', 'repository=acme/other'], { environment });
  expect(claimed.stderr).not.toContain('GitLab');
});

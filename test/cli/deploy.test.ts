import { createHash, generateKeyPairSync } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DeployRequest } from '@osa/core/convention/convention';
import { execa } from 'execa';
import { describe, expect, test } from 'vitest';
import { deployed } from '../support/fixtures/cli-answers.ts';
import { createCliWorld, problem, startFakeServer } from '../support/fixtures/cli-world.ts';

const key = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();

/** A server that keeps blobs, and answers every deploy with `answer`. */
async function archive(answer: object = deployed) {
  const blobs = new Set<string>();
  return startFakeServer(({ method, path, body }) => {
    const sha256 = path.split('/').at(-1) ?? '';
    if (path.startsWith('/api/v1/conventions')) return { status: 201, body: answer };
    if (method === 'PUT') blobs.add(sha256);
    return blobs.has(sha256)
      ? { body: { sha256, size: body.length } }
      : problem(404, 'not_found', 'no such blob');
  });
}

/** Commits everything in a directory, in a repository of its own. */
async function commitAll(directory: string): Promise<string> {
  const git = async (...args: string[]) => {
    const identity = ['-c', 'user.name=Test', '-c', 'user.email=test@localhost'];
    return (await execa('git', ['-C', directory, ...identity, ...args])).stdout;
  };
  await git('init', '--quiet');
  await git('add', '.');
  await git('commit', '--quiet', '--message', 'all');
  return git('rev-parse', 'HEAD');
}

describe('init', () => {
  test('makes a dataset that deploys as it is, and a hook that runs', async () => {
    await using world = await createCliWorld();
    await using server = await archive();
    expect((await world.osa(['init', 'samples'])).code).toBe(0);
    const cwd = join(world.cwd, 'samples');
    const environment = { OSA_KEY: key, OSA_SERVER: server.url };
    expect((await world.osa(['deploy'], { cwd, environment })).code).toBe(0);
    const body = DeployRequest.parse(JSON.parse(server.requests.at(-1)?.body ?? ''));
    expect(body).toMatchObject({ slug: 'samples', hooks: [{ name: 'density' }] });

    const [input, output] = [join(world.cwd, 'in'), join(world.cwd, 'out')];
    await mkdir(input);
    await mkdir(output);
    const records = (await readFile(join(cwd, 'records.ndjson'), 'utf8')).trim().split('\n');
    const lines = records.map((record) => JSON.parse(record));
    const sent = lines.map(({ source_id, metadata }) => `${JSON.stringify({ id: source_id, metadata })}\n`);
    await writeFile(join(input, 'records.jsonl'), sent.join(''));
    await writeFile(join(input, 'config.json'), JSON.stringify(body.hooks[0]?.config));
    await execa(process.execPath, ['hook.mjs'], {
      cwd: join(cwd, 'hooks', 'density'),
      env: { OSA_IN: input, OSA_OUT: output },
    });
    const features = (await readFile(join(output, 'features.jsonl'), 'utf8')).trim().split('\n');
    expect(JSON.parse(features[0] ?? '')).toEqual({ id: 'sample-1', features: [{ density: 2.65 }] });
    expect(features).toHaveLength(4);
    expect(await readFile(join(output, 'rejections.jsonl'), 'utf8')).toContain('"sample-5"');
  });

  test('writes nothing over a file that is there, unless told to', async () => {
    await using world = await createCliWorld();
    await writeFile(join(world.cwd, 'convention.yaml'), 'mine');
    await writeFile(join(world.cwd, '.gitignore'), 'dist/\n');
    const refused = await world.osa(['init', '--json']);
    expect(refused.code).toBe(2);
    expect(JSON.parse(refused.stdout).error.details).toEqual({ files: ['convention.yaml'] });
    await expect(readFile(join(world.cwd, 'records.ndjson'))).rejects.toThrow('ENOENT');
    const forced = await world.osa(['init', '--force', '--json']);
    expect(JSON.parse(forced.stdout)).toMatchObject({ slug: 'project', kept: ['.gitignore'] });
    expect(await readFile(join(world.cwd, '.gitignore'), 'utf8')).toBe('dist/\n');
  });
});

describe('deploy', () => {
  test('uploads a directory once, by its digest', async () => {
    await using world = await createCliWorld();
    await using server = await archive();
    const environment = { OSA_KEY: key, OSA_SERVER: server.url };
    await world.osa(['init']);
    const first = await world.osa(['deploy'], { environment });
    expect(first.code).toBe(0);
    expect(first.stdout).toContain('created, new release v1');
    await world.osa(['deploy'], { environment });
    const uploads = server.requests.filter(({ method }) => method === 'PUT');
    expect(uploads).toHaveLength(1);
    const [upload] = uploads;
    const digest = createHash('sha256')
      .update(upload?.body ?? '')
      .digest('hex');
    expect(upload?.path).toBe(`/api/v1/blobs/${digest}`);
    const payload = upload?.headers.authorization?.split('.')[1] ?? '';
    const { scope } = JSON.parse(Buffer.from(payload, 'base64url').toString());
    expect(scope).toMatch(/^conventions:write:./);
    const sent = DeployRequest.parse(JSON.parse(server.requests.at(-1)?.body ?? ''));
    expect(sent.hooks[0]?.release.digest).toBe(`sha256:${digest}`);
  });

  test('says where the file comes from, also when it has no hooks, and nothing that only CI says', async () => {
    await using world = await createCliWorld();
    await using server = await archive();
    await world.osa(['init']);
    const file = join(world.cwd, 'convention.yaml');
    await writeFile(file, (await readFile(file, 'utf8')).replace(/^hooks:\n(?:[ \n].*)*/m, ''));
    const ci = { GIT_URL: 'https://git.example.org/acme/samples', GIT_COMMIT: 'ab'.repeat(20) };
    const environment = { PATH: process.env.PATH, OSA_KEY: key, OSA_SERVER: server.url, ...ci };
    const sent = () => DeployRequest.parse(JSON.parse(server.requests.at(-1)?.body ?? ''));
    await world.osa(['deploy'], { environment });
    expect(sent()).toMatchObject({ hooks: [] });
    expect(sent().source_ref).toBeUndefined();

    const commit = await commitAll(world.cwd);
    await world.osa(['deploy'], { environment: { ...environment, GIT_COMMIT: commit } });
    expect(sent().source_ref).toBe(`git+https://git.example.org/acme/samples@${commit}`);
    await writeFile(file, `${await readFile(file, 'utf8')}# changed\n`);
    const { stderr } = await world.osa(['deploy'], { environment });
    expect(sent().source_ref).toBe(`git:${commit}-dirty`);
    expect(stderr).toContain('because convention.yaml differs from the commit');
  });

  test('lists what would be packed and what is left out, and sends nothing', async () => {
    await using world = await createCliWorld();
    await using server = await archive();
    await world.osa(['init']);
    const hook = join(world.cwd, 'hooks', 'density');
    await writeFile(join(hook, '.env'), 'TOKEN=x');
    await writeFile(join(hook, 'hook.mjs~'), 'old');
    const environment = { PATH: process.env.PATH, OSA_SERVER: server.url };
    const { code, stdout } = await world.osa(['deploy', '--list-files', '--json'], { environment });
    expect(code).toBe(0);
    expect(JSON.parse(stdout).hooks).toMatchObject([
      {
        hook: 'density',
        files: [{ path: 'hook.mjs', executable: false, link: null }],
        left_out: [
          { path: '.env', why: 'by default' },
          { path: 'hook.mjs~', why: 'by default' },
        ],
        warnings: [],
      },
    ]);
    const shown = await world.osa(['hooks', 'release', 'density', '--directory', hook, '--list-files'], {
      environment,
    });
    expect(shown.stdout).toMatch(/^ {2}hook\.mjs .*\n {2}left out: \.env {2}\(by default\)$/m);
    expect(server.requests).toHaveLength(0);
  });

  test('warns of files that look like secrets, and of a script that is not packed', async () => {
    await using world = await createCliWorld();
    await world.osa(['init']);
    const hook = join(world.cwd, 'hooks', 'density');
    await writeFile(join(hook, 'id_ed25519'), 'x');
    await writeFile(join(hook, 'notes.txt'), `token: ghp_${'a'.repeat(36)}`);
    const file = join(world.cwd, 'convention.yaml');
    const text = await readFile(file, 'utf8');
    await writeFile(file, text.replace('hook.mjs]', 'hok.mjs]'));
    const { stderr } = await world.osa(['deploy', '--list-files'], {
      environment: { PATH: process.env.PATH },
    });
    expect(stderr).toContain(
      'warning: density: command: hok.mjs is not in the directory; did you mean hook.mjs?',
    );
    expect(stderr).toContain('warning: density: id_ed25519 looks like a private key, by its name');
    expect(stderr).toContain('warning: density: notes.txt holds what looks like a token of GitHub');
    await writeFile(file, text);
    await writeFile(join(hook, '.osaignore'), 'hook.mjs\n');
    const left = await world.osa(['deploy', '--list-files'], { environment: { PATH: process.env.PATH } });
    expect(left.stderr).toContain('command: hook.mjs is left out of the package (.osaignore)');
  });

  test('says when nothing changed, and when a known release stays not live', async () => {
    await using world = await createCliWorld();
    const [hook] = deployed.changes.hooks;
    await using server = await archive({
      ...deployed,
      changed: false,
      changes: {
        ...deployed.changes,
        convention: 'unchanged',
        schema: 'unchanged',
        hooks: [
          { ...hook, hook: 'unchanged', release: 'known', version: 2, is_live: false, live_version: 1 },
        ],
      },
    });
    await world.osa(['init']);
    const { stdout } = await world.osa(['deploy'], { environment: { OSA_KEY: key, OSA_SERVER: server.url } });
    expect(stdout).toContain('nothing changed');
    expect(stdout).toContain('known release v2, not live (live is v1)');
    expect(stdout).toContain('osa hooks activate density 2');
    expect(stdout).toContain('osa deploy --activate');
    expect(stdout).toContain('osa hooks history density');
  });

  test('tells all problems of the file with their places, and sends nothing', async () => {
    await using world = await createCliWorld();
    await using server = await archive();
    const environment = { OSA_KEY: key, OSA_SERVER: server.url };
    await world.osa(['init']);
    const file = join(world.cwd, 'convention.yaml');
    const text = (await readFile(file, 'utf8')).replace('json_type: number', 'json_type: numbr');
    await writeFile(file, text.replace('title: ', 'titel: '));
    const { code, stderr } = await world.osa(['deploy'], { environment });
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /^convention\.yaml:\d+:\d+ hooks\[0\]\.feature\.columns\[0\]\.json_type: "numbr" .*number/m,
    );
    expect(stderr).toMatch(/^convention\.yaml:3:1 titel: /m);
    expect(server.requests).toHaveLength(0);
  });

  test.each([
    ['a directory', '.', 'is a directory'],
    ['a file that is not UTF-8', 'latin.yaml', 'is not UTF-8: on line 2, at byte 14: '],
    ['a file that is too large', 'large.yaml', 'has 1048577 bytes, at most 1048576'],
    ['a file that is not there', 'none.yaml', 'is not there; start one with: osa init'],
  ])('of %s says so, and sends nothing', async (_, file, said) => {
    await using world = await createCliWorld();
    await using server = await archive();
    await writeFile(join(world.cwd, 'latin.yaml'), Buffer.from('slug: x\ntitle\xe9: y\n', 'latin1'));
    await writeFile(join(world.cwd, 'large.yaml'), Buffer.alloc(1024 * 1024 + 1, '#'));
    const { code, stdout } = await world.osa(['deploy', file, '--json', '--server', server.url]);
    expect([code, JSON.parse(stdout).error]).toMatchObject([
      2,
      { code: 'usage', field: 'file', message: expect.stringContaining(`${file} ${said}`) },
    ]);
    expect(server.requests).toHaveLength(0);
  });

  test('names the place of a directory that is not there', async () => {
    await using world = await createCliWorld();
    await using server = await archive();
    await world.osa(['init']);
    await rm(join(world.cwd, 'hooks'), { recursive: true });
    const { code, stderr } = await world.osa(['deploy', '--server', server.url]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^convention\.yaml:\d+:\d+ hooks\[0\]\.release\.directory: /);
    expect(server.requests).toHaveLength(0);
  });
});

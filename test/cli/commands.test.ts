import { readFile, readlink, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CommandEntry, CommandGroup } from '@osa/cli/commands/entry';
import { commands } from '@osa/cli/commands/index';
import { describe, expect, test } from 'vitest';
import {
  history,
  ingestion,
  rolledBack,
  showConvention,
  showHook,
  traceRow,
} from '../support/fixtures/cli-answers.ts';
import { createCliWorld, type FakeAnswer, problem, startFakeServer } from '../support/fixtures/cli-world.ts';

function paths(entries: readonly (CommandEntry | CommandGroup)[], before: string[] = []): string[][] {
  return entries.flatMap((entry) => {
    const path = [...before, entry.name];
    return 'commands' in entry ? [path, ...paths(entry.commands, path)] : [path];
  });
}

describe('help', () => {
  const all = [[], ...paths(commands)].map((path) => [path.join(' '), path] as const);

  test.each(all)('of `osa %s` has an example, and ends in one line that names more', async (_, path) => {
    await using world = await createCliWorld();
    const { code, stdout, stderr } = await world.osa([...path, '--help']);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/Examples?:\n {2}.*osa /);
    expect(stdout.trimEnd().split('\n').at(-1)).toMatch(
      /^Also: --json, .*osa help exit-codes\|environment\|json$/,
    );
    expect((await world.osa(['help', ...path])).stdout).toBe(stdout);
    expect((await world.osa([...path, '-h'])).stdout).toBe(stdout);
  });

  test.each(all)('of `osa %s` is plain English that fits 80 columns', async (_, path) => {
    await using world = await createCliWorld();
    const { stdout } = await world.osa([...path, '--help']);
    expect(stdout.split('\n').filter((line) => line.length > 80 && !line.startsWith('  osa '))).toEqual([]);
    expect(foreignPhrasesIn(stdout)).toEqual([]);
  });

  test('of the program groups the commands, also where nothing is asked', async () => {
    await using world = await createCliWorld();
    const { code, stdout } = await world.osa([]);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /\nStart:\n {2}init[\s\S]*\nLook:\n[\s\S]*\nOperate:\n {2}hooks[\s\S]*\nAccess:\n/,
    );
    expect((await world.osa(['help'])).stdout).toBe(stdout);
  });

  test.each([
    ['exit-codes', '130 interrupted'],
    ['environment', 'OSA_ENGINE_OPTIONS'],
    ['environment', 'HTTPS_PROXY'],
    ['json', '{"error": {"code", "message", "field"'],
  ])('on the topic %s says %s', async (topic, said) => {
    await using world = await createCliWorld();
    const { code, stdout } = await world.osa(['help', topic]);
    expect(code).toBe(0);
    expect(stdout).toContain(said);
  });

  test('names every variable that the command line reads', async () => {
    await using world = await createCliWorld();
    const { stdout } = await world.osa(['help', 'environment']);
    for (const name of ['OSA_SERVER', 'OSA_KEY', 'OSA_KEY_FILE', 'OSA_TOKEN', 'OSA_ISSUER', 'OSA_AUDIENCE']) {
      expect(stdout).toContain(name);
    }
    expect((await world.osa(['hooks', 'test', '--help'])).stdout).toContain('OSA_ENGINE_OPTIONS');
  });
});

/** The signs that STYLE.md lists for a sentence that must be rewritten. */
function foreignPhrasesIn(help: string): string[] {
  const text = help.replace(/\s+/g, ' ');
  const phrases = [
    /\bfor who\b/i,
    /\bbut for\b/i,
    /\bparted by\b/i,
    /\bapart by\b/i,
    /\btells of\b/i,
    /\bare told\b|\bis told\b/i,
    /\bis no [a-z]+\b/i,
    /\bthat it may not\b/i,
    /\bstands?\b/i,
    /\bshall\b/i,
    /\bnobody can be asked\b/i,
    /(?:^|\. )(?:What|Who|Of|That|As) [^?.]*\./,
  ];
  return phrases.flatMap((phrase) => phrase.exec(text)?.[0] ?? []);
}

describe('wrong usage', () => {
  test.each([
    ['an unknown command', ['depoly'], 'did you mean osa deploy?'],
    ['an unknown command of a group', ['hooks', 'rolback'], 'did you mean osa hooks rollback?'],
    ['a command of a group without the group', ['rollback'], 'did you mean osa hooks rollback?'],
    [
      'the same with an argument',
      ['rollback', 'seismic_energy', '--to', '1'],
      'did you mean osa hooks rollback?',
    ],
    ['a misspelt command of a group', ['activte'], 'did you mean osa hooks activate?'],
    ['a command of another group', ['hooks', 'logs'], 'did you mean osa runs logs?'],
    ['logs', ['logs'], 'did you mean osa runs logs?'],
    ['a name of another tool', ['whoami'], 'did you mean osa auth whoami?'],
    ['a command like no other', ['frobnicate'], 'osa --help lists them'],
    ['a topic of help that is none', ['help', 'exitcodes'], 'did you mean osa help exit-codes?'],
    ['an unknown option', ['rows', 'x', '--limt', '3'], 'Did you mean --limit?'],
    ['a missing argument', ['ingest', 'x'], 'file'],
    ['an argument too many', ['deploy', 'a', 'b'], 'too many arguments'],
    ['a number out of range', ['rows', 'x', '--limit', '0'], 'from 1 to'],
    ['a number that is none', ['hooks', 'rollback', 'x', '--to', '1e3'], '--to'],
    ['an empty reason', ['hooks', 'rollback', 'x', '--reason', ' '], '--reason'],
    ['a group without a command', ['hooks'], 'a command is missing'],
    ['a kind that is none', ['trace', 'x', '--as', 'nix'], '--as'],
    ['the history of a list', ['trace', '-', '--history'], '--history'],
    ['a deploy without an id', ['deploys', 'show', 'nix'], "'nix' is invalid for argument 'id'"],
    ['an ingestion without an id', ['ingestions', 'retry', 'nix'], "'nix' is invalid for argument 'id'"],
    ['a run without an id', ['runs', 'logs', 'nix'], "'nix' is invalid for argument 'run'"],
    ['runs of an ingestion without an id', ['runs', 'list', '--ingestion', 'nix'], '--ingestion'],
  ])('%s exits with 2, and says what helps', async (_, argv, said) => {
    await using world = await createCliWorld();
    const plain = await world.osa([...argv, '--server', 'http://127.0.0.1:1']);
    expect([plain.code, plain.stdout]).toEqual([2, '']);
    expect(plain.stderr).toContain(said);
    expect(plain.stderr).not.toMatch(/\n\s+at /);
    const { code, stdout } = await world.osa([...argv, '--json']);
    expect([code, JSON.parse(stdout).error.code]).toEqual([2, 'usage']);
  });
});

/** A server with one of everything. */
async function archive() {
  const at = (path: string): FakeAnswer => {
    if (path.startsWith('/api/v1/hooks/seismic_energy/history')) return { body: history };
    if (path.startsWith('/api/v1/hooks/seismic_energy/releases/')) {
      return { body: { ...showHook.live, version: 1, live: false, rows: 0 } };
    }
    if (path.startsWith('/api/v1/hooks/seismic_energy/releases')) {
      return { body: { hook_name: 'seismic_energy', live_version: 2, releases: [], next_cursor: null } };
    }
    if (path === '/api/v1/hooks/seismic_energy/rollback') return { body: rolledBack };
    if (path === '/api/v1/hooks/seismic_energy') return { body: showHook };
    if (path === '/api/v1/hooks') {
      return { body: { items: [showHook], next_cursor: 'page two', has_more: true } };
    }
    if (path === '/api/v1/hooks?cursor=page+two') {
      return {
        body: {
          items: [{ ...showHook, name: 'felt_radius' }],
          next_cursor: null,
          has_more: false,
          as_of: '2026-03-01T00:00:00Z',
        },
      };
    }
    if (path === '/api/v1/conventions/usgs-earthquakes') return { body: showConvention };
    if (path.startsWith('/api/v1/data/earthquake%401.0.0/seismic_energy?')) {
      const row = { id: 17, record_srn: traceRow.record.srn, run_id: traceRow.run.id, release: 1 };
      const rows = [
        { ...row, record_source_id: 'x', created_at: null, energy_j: 2.5e14, events: 3, note: null },
      ];
      return { body: { rows, next_cursor: 'abc', has_more: true, as_of: '2026-03-01T00:00:00Z' } };
    }
    if (path === '/api/v1/trace/rows/seismic_energy/17') return { body: traceRow };
    return problem(404, 'not_found', `looked for ${path}`);
  };
  return startFakeServer(({ path }) => at(path));
}

describe('--json', () => {
  test.each([
    [['hooks', 'list'], 0],
    [['hooks', 'show', 'seismic_energy'], 0],
    [['hooks', 'history', 'seismic_energy'], 0],
    [['hooks', 'show', 'unknown'], 1],
    [['hooks', 'rollback', 'seismic_energy'], 2],
    [['rows', 'seismic_energy', '--limit', '1'], 0],
    [['trace', 'seismic_energy/17'], 0],
    [['trace', 'seismic_energy/18'], 1],
    [['keys', 'generate', '--out', 'k.jwk'], 0],
    [['init', 'new'], 0],
    [['deploy', 'nowhere.yaml'], 2],
  ])('of %j is one document on stdout and nothing else', async (argv, expected) => {
    await using world = await createCliWorld();
    await using server = await archive();
    const { code, stdout } = await world.osa(['--json', ...argv, '--server', server.url]);
    expect(code).toBe(expected);
    const document: unknown = JSON.parse(stdout);
    expect(Object.keys(document as object).includes('error')).toBe(expected !== 0);
  });
});

describe('hooks list', () => {
  test('follows the pages to the last hook', async () => {
    await using world = await createCliWorld();
    await using server = await archive();
    const { stdout } = await world.osa(['hooks', 'list', '--json', '--server', server.url]);
    expect(JSON.parse(stdout).items.map(({ name }: { name: string }) => name)).toEqual([
      'seismic_energy',
      'felt_radius',
    ]);
  });
});

describe('rollback', () => {
  test('needs --yes without a terminal, and says what it would do', async () => {
    await using world = await createCliWorld();
    await using server = await archive();
    const result = await world.osa(['hooks', 'rollback', 'seismic_energy', '--server', server.url]);
    expect(result.code).toBe(2);
    expect(result.stderr).toContain('v2 → v1');
    expect(server.requests.every(({ method }) => method === 'GET')).toBe(true);
  });
});

describe('rows', () => {
  test('asks for the rows of the schema and records of the convention that owns the hook', async () => {
    await using world = await createCliWorld();
    await using server = await archive();
    const argv = ['rows', 'seismic_energy', '--release', '1', '--history', '--server', server.url];
    const { stdout, stderr } = await world.osa(argv);
    const query = new URL(server.requests.at(-1)?.path ?? '', server.url).searchParams;
    expect(Object.fromEntries(query)).toEqual({
      convention: 'usgs-earthquakes',
      release: '1',
      history: 'true',
      limit: '50',
    });
    expect(stdout).toContain('seismic_energy/17');
    expect(stderr).toContain(
      `more: osa rows seismic_energy --release 1 --history --server ${server.url} --cursor abc`,
    );
  });

  test('reads another schema when told so, and says which one it read where there are no rows', async () => {
    await using world = await createCliWorld();
    await using full = await archive();
    await using server = await startFakeServer(async ({ path }) => {
      if (path.startsWith('/api/v1/data/'))
        return { body: { rows: [], next_cursor: null, has_more: false, as_of: '2026-03-01T00:00:00Z' } };
      return { body: await (await fetch(full.url + path)).json() };
    });
    const ask = async (...given: string[]) => {
      const argv = ['rows', 'seismic_energy', ...given, '--server', server.url];
      const { code, stderr } = await world.osa(argv);
      return { code, stderr, path: server.requests.at(-1)?.path };
    };
    expect(await ask()).toEqual({
      code: 0,
      stderr: expect.stringMatching(/schema earthquake@1\.0\.0 .*--schema ID@VERSION/),
      path: expect.stringContaining('/data/earthquake%401.0.0/seismic_energy'),
    });
    expect(await ask('--schema', 'earthquake@0.9.0')).toMatchObject({
      stderr: expect.stringContaining('schema earthquake@0.9.0 '),
      path: expect.stringContaining('/data/earthquake%400.9.0/seismic_energy'),
    });
    expect(await ask('--schema', 'earthquake')).toMatchObject({
      stderr: expect.stringContaining('highest version'),
      path: expect.stringContaining('/data/earthquake/seismic_energy'),
    });
    expect(await ask('--schema', 'earthquake', '--convention', 'guests')).toMatchObject({
      path: expect.stringMatching(/seismic_energy\?.*convention=guests/),
    });
  });

  test('says how many rows are of other versions of the schema', async () => {
    await using world = await createCliWorld();
    await using full = await archive();
    const of = (version: string) => ({ id: 'earthquake', version });
    const items = [
      { schema_id: of('1.0.0'), version: 2, rows: 5 },
      { schema_id: of('0.9.0'), version: 1, rows: 10_000 },
      { schema_id: of('0.8.0'), version: 1, rows: 1 },
    ];
    await using server = await startFakeServer(async ({ path }) =>
      path === '/api/v1/hooks/seismic_energy/rows'
        ? { body: { hook_name: 'seismic_energy', items } }
        : { body: await (await fetch(full.url + path)).json() },
    );
    const { stderr } = await world.osa(['rows', 'seismic_energy', '--server', server.url]);
    expect(stderr).toContain(
      '10,000 rows more of earthquake@0.9.0: osa rows seismic_energy --schema earthquake@0.9.0',
    );
    expect(stderr).toContain('1 row more of earthquake@0.8.0');
    expect(stderr).not.toContain('--schema earthquake@1.0.0');
  });

  test('tells a release without rows from one that there is not', async () => {
    await using world = await createCliWorld();
    await using full = await archive();
    await using server = await startFakeServer(async ({ path }) => {
      if (path.startsWith('/api/v1/data/'))
        return { body: { rows: [], next_cursor: null, has_more: false, as_of: '2026-03-01T00:00:00Z' } };
      if (path.endsWith('/releases/99')) return problem(404, 'not_found', 'no such release');
      return { body: await (await fetch(full.url + path)).json() };
    });
    const ask = (version: string) =>
      world.osa(['rows', 'seismic_energy', '--release', version, '--json', '--server', server.url]);
    expect((await ask('1')).code).toBe(0);
    const { code, stdout } = await ask('99');
    expect([code, JSON.parse(stdout).error.code]).toEqual([1, 'not_found']);
  });
});

describe('a number that no double holds', () => {
  const decimal = '0.12345678901234567890123';
  const integer = '-12345678901234567890';
  const values = `"energy_j":${decimal},"events":${integer},"note":null`;

  test('is shown digit by digit, in rows and traces, to programs and to people', async () => {
    await using world = await createCliWorld();
    await using full = await archive();
    await using server = await startFakeServer(async ({ path }) => {
      const body = await (await fetch(full.url + path)).text();
      const { energy_j, events, note } = { energy_j: 2.5e14, events: 3, note: null };
      const rounded = JSON.stringify({ energy_j, events, note }).slice(1, -1);
      const traced = JSON.stringify(traceRow.row.values).slice(1, -1);
      return { body: body.replace(rounded, values).replace(traced, values) };
    });
    for (const argv of [
      ['rows', 'seismic_energy'],
      ['trace', 'seismic_energy/17'],
    ]) {
      const { stdout } = await world.osa([...argv, '--json', '--server', server.url]);
      expect(stdout).toMatch(new RegExp(`"energy_j": ${decimal},\\s+"events": ${integer},`));
      const people = await world.osa([...argv, '--server', server.url]);
      expect(people.stdout).toContain(decimal);
      expect(people.stdout).toContain(integer);
    }
  });
});

describe('trace', () => {
  test('tells a row’s story: values, record, run, release, and which release is live', async () => {
    await using world = await createCliWorld();
    await using server = await archive();
    const { stdout } = await world.osa(['trace', 'seismic_energy/17', '--server', server.url]);
    for (const part of [
      '2.51e+14 J',
      traceRow.record.srn,
      `ingestion ${ingestion.id}, line 17`,
      'exit 0, process runner, 256 MiB, 0.50 s',
      'seismic_energy v1  not live; v2 is',
      traceRow.release.digest,
      'node hook.mjs',
      '{"relation":"gutenberg-richter"}',
      '256m memory, 0.5 cpu, 60 s',
      'git+https://example.org/quakes@0123abc',
      'ada@example, 2026-03-01 03:04:05 UTC',
    ]) {
      expect(stdout).toContain(part);
    }
  });

  test('of an unknown row says what was looked for', async () => {
    await using world = await createCliWorld();
    await using server = await archive();
    const result = await world.osa(['trace', 'seismic_energy/18', '--server', server.url]);
    expect(result.code).toBe(1);
    expect(result.stderr).toContain('/trace/rows/seismic_energy/18');
  });
});

test('what a server says cannot act on the terminal', async () => {
  await using world = await createCliWorld();
  const evil = '\u001b]0;owned\u0007\u001b[2J\u202eforged\nlive: v9';
  await using server = await startFakeServer(({ path }) =>
    path.endsWith('/history')
      ? problem(404, 'not_found', evil)
      : { body: { items: [{ ...showHook, owner: evil }], next_cursor: null, has_more: false } },
  );
  for (const argv of [
    ['hooks', 'list'],
    ['hooks', 'history', 'x'],
  ]) {
    const { stdout, stderr } = await world.osa([...argv, '--server', server.url]);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that must not come through.
    expect(stdout + stderr).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
    expect(stdout + stderr).toContain('forged');
  }
  const { stdout } = await world.osa(['hooks', 'list', '--server', server.url]);
  expect(stdout.trim().split('\n')).toHaveLength(2);
});

describe('keys generate', () => {
  test('writes a private key for its owner only, and prints the public one', async () => {
    await using world = await createCliWorld();
    const { code, stdout } = await world.osa(['keys', 'generate', '--json']);
    const { file, public_jwk, thumbprint } = JSON.parse(stdout);
    expect([code, file]).toEqual([0, join(world.userDirectory, 'key.jwk')]);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const { d, ...rest } = JSON.parse(await readFile(file, 'utf8'));
    expect(rest).toEqual(public_jwk);
    expect(public_jwk.kid).toBe(thumbprint);
    expect(d).toMatch(/^[\w-]{43}$/);
    expect(stdout).not.toContain(d);
  });

  test('replaces a key only when told to', async () => {
    await using world = await createCliWorld();
    const file = join(world.cwd, 'k.jwk');
    await writeFile(file, 'mine');
    const refused = await world.osa(['keys', 'generate', '--out', 'k.jwk']);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain('--force');
    expect(await readFile(file, 'utf8')).toBe('mine');
    expect((await world.osa(['keys', 'generate', '--out', 'k.jwk', '--force'])).code).toBe(0);
    expect(await readFile(file, 'utf8')).toContain('Ed25519');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  test('follows a link, and replaces no device', async () => {
    await using world = await createCliWorld();
    const made = (name: string) => join(world.cwd, name);
    await symlink('/dev/null', made('null.jwk'));
    await symlink('mine.jwk', made('link.jwk'));
    const refused = await world.osa(['keys', 'generate', '--out', 'null.jwk', '--force']);
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('is a device')]);
    expect(await readlink(made('null.jwk'))).toBe('/dev/null');
    expect((await world.osa(['keys', 'generate', '--out', 'link.jwk', '--force'])).code).toBe(0);
    expect(await readlink(made('link.jwk'))).toBe('mine.jwk');
    expect((await stat(made('mine.jwk'))).mode & 0o777).toBe(0o600);
  });
});

test.each([
  ['my-archive', 'cd my-archive'],
  ['My Archive 2!', "cd 'My Archive 2!'"],
  ["it's", "cd 'it'\\''s'"],
  ['$(touch x)', "cd '$(touch x)'"],
  ['-x', 'cd ./-x'],
])('init into %s says %s', async (directory, said) => {
  await using world = await createCliWorld();
  const { code, stdout } = await world.osa(['init', '--', directory]);
  expect(code).toBe(0);
  expect(stdout).toContain(`  ${said}\n`);
});

describe('conventions', () => {
  const convention = {
    ...showConvention,
    fields: [
      {
        name: 'depth',
        type: 'number',
        required: true,
        cardinality: 'exactly_one',
        constraints: { type: 'number', unit: 'km' },
      },
      { name: 'places', type: 'text', required: false, cardinality: 'zero_or_more', description: 'Names' },
    ],
    docs: { purpose: 'Compare them.' },
  };

  test('are listed with their schemas, page by page', async () => {
    await using world = await createCliWorld();
    const { id, title, description, schema_id, created_at } = showConvention;
    await using server = await startFakeServer(() => ({
      body: {
        items: [{ id, title, description, schema_id, created_at }],
        next_cursor: 'two',
        has_more: true,
      },
    }));
    const { code, stdout, stderr } = await world.osa([
      'conventions',
      'list',
      '-n',
      '1',
      '--server',
      server.url,
    ]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/usgs-earthquakes +earthquake@1\.0\.0 +2026-03-01T03:04:05Z +USGS earthquakes/);
    expect(stderr).toContain('more: osa conventions list --limit 1');
    expect(server.requests[0]?.path).toBe('/api/v1/conventions?limit=1');
  });

  test('are shown with fields, hooks and purpose', async () => {
    await using world = await createCliWorld();
    await using server = await startFakeServer(() => ({ body: convention }));
    const argv = ['conventions', 'show', 'usgs-earthquakes', '--server', server.url];
    const { code, stdout } = await world.osa(argv);
    expect(code).toBe(0);
    for (const part of [
      /depth +number +km/,
      /places +text, list, optional/,
      /hooks +seismic_energy/,
      /Compare them\./,
    ]) {
      expect(stdout).toMatch(part);
    }
    const json = await world.osa([...argv, '--json']);
    expect(JSON.parse(json.stdout)).toMatchObject({ id: 'usgs-earthquakes', hooks: ['seismic_energy'] });
  });
});

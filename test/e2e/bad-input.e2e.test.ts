import { readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { hookCode } from '../support/core-archive.ts';
import { osaJson } from '../support/programs.ts';
import { writeProject } from '../support/project.ts';
import {
  editConvention,
  type ProjectDaemon,
  type Refusal,
  refused,
  refusedPlainly,
  startProjectDaemon,
} from '../support/project-daemon.ts';

vi.setConfig({ testTimeout: 60_000 });

/** Files that are wrong: each a clear refusal with its exit code, and nothing half done. */

let stage: ProjectDaemon;
let place: string;
beforeAll(async () => {
  stage = await startProjectDaemon();
});
beforeEach(async () => {
  place = await stage.project();
  await writeProject(place, { code: doubles });
});
afterAll(() => stage.close());

const doubles = hookCode('return { features: [{ value: metadata.value * 2 }] }');

const edit = (from: string | RegExp, to: string) => editConvention(place, from, to);

/** `line:column` of where `text` first stands, from 1. */
function placeOf(file: string, text: string): string {
  const before = file.slice(0, file.indexOf(text)).split('\n');
  return `${before.length}:${(before.at(-1) ?? '').length + 1}`;
}

/** A deploy that is refused before anything is sent. */
function refusedDeploy(): Promise<Refusal> {
  return stage.changingNothing(() => refused(place, ['deploy'], { exit: 2 }));
}

describe('convention.yaml', () => {
  const first = 'hooks[0].feature.columns[0]';
  const placeAndPath = (problem: { line: number; column: number; path: string }) =>
    `${problem.line}:${problem.column} ${problem.path}`;

  test.each<[string, string | RegExp, string, { at: string; path: string }]>([
    ['an unknown field', 'title:', 'titel:', { at: 'titel', path: 'titel' }],
    ['an unknown type', 'json_type: number', 'json_type: numbr', { at: 'numbr', path: `${first}.json_type` }],
    [
      'text for a boolean',
      'number, required: true',
      'number, required: "yes"',
      { at: '"yes"', path: 'schema.fields[0].required' },
    ],
    [
      'a number for a text',
      'description: Numbers, to be doubled.',
      'description: 12',
      { at: '12', path: 'description' },
    ],
    [
      'a list for a mapping',
      /schema:\n[\s\S]*?(?=files:)/,
      'schema: [quake]\n',
      { at: '[quake]', path: 'schema' },
    ],
    [
      'a column twice',
      '}]',
      '}, { name: value, json_type: string }]',
      { at: 'value, json_type: string', path: 'hooks[0].feature.columns[1].name' },
    ],
    [
      'a reserved column',
      'name: value, json_type',
      'name: run_id, json_type',
      { at: 'run_id', path: `${first}.name` },
    ],
    [
      'a system column',
      'name: value, json_type',
      'name: xmin, json_type',
      { at: 'xmin', path: `${first}.name` },
    ],
    ['a reserved hook', '- name: doubled', '- name: releases', { at: 'releases', path: 'hooks[0].name' }],
    ['a hook as a path', '- name: doubled', '- name: ../x', { at: '../x', path: 'hooks[0].name' }],
    ['a reserved schema', 'id: number-record', 'id: datasets', { at: 'datasets', path: 'schema.id' }],
    ['a version that is none', 'version: 1.0.0', 'version: one', { at: 'one\n', path: 'schema.version' }],
  ])('with %s: the place, exit code 2, and nothing is sent', async (_, from, to, { at, path }) => {
    const found = `${placeOf(await edit(from, to), at)} ${path}`;
    const { code, message, details } = await refusedDeploy();
    expect(code).toBe('usage');
    expect(details.problems.map(placeAndPath)).toContain(found);
    expect(message).toContain(`convention.yaml:${found}: `);
  });

  test('is printed for people in lines that an editor can jump to', async () => {
    const text = await edit('json_type: number', 'json_type: numbr');
    const told = await stage.changingNothing(() => refusedPlainly(place, ['deploy'], { exit: 2 }));
    expect(told).toMatch(
      new RegExp(`^convention\\.yaml:${placeOf(text, 'numbr')} hooks\\[0\\]\\..*"numbr".*"number".*$`),
    );
  });

  test('with a hook twice: both places', async () => {
    const file = join(place, 'convention.yaml');
    const text = await readFile(file, 'utf8');
    const hook = text.slice(text.indexOf('  - name: doubled'));
    await writeFile(file, `${text}${hook}`);
    const { details, message } = await refusedDeploy();
    expect(details.problems).toMatchObject([{ path: 'hooks[1].name' }]);
    expect(message).toContain('hooks[0]');
    expect(message).toContain(placeOf(text, 'doubled\n    feature'));
  });

  test.each([
    ['a bracket that is not closed', 'columns: [{ name: value', 'columns: [{ name: [value'],
    ['a tab for indentation', '  id: number-record', '\tid: number-record'],
    ['a key twice', 'title: Numbers', 'title: Numbers\ntitle: Others'],
    ['an alias to nowhere', 'title: Numbers', 'title: *nothing'],
  ])('that is not YAML, with %s: a place and exit code 2', async (_, from, to) => {
    await edit(from, to);
    const { code, message } = await refusedDeploy();
    expect(code).toBe('usage');
    expect(message).toMatch(/^convention\.yaml:\d+:\d+/m);
  });

  test.each([
    ['is empty', ''],
    ['is a list', '- a\n'],
    ['is not text', '\u0000\u0001'],
  ])('that %s', async (_, text) => {
    await writeFile(join(place, 'convention.yaml'), text);
    expect((await refusedDeploy()).code).toBe('usage');
  });

  test('that is not there: what to do', async () => {
    await rm(join(place, 'convention.yaml'));
    const { message } = await refusedDeploy();
    expect(message).toContain('osa init');
    await refused(place, ['deploy', 'hooks'], { exit: 2 });
  });

  test('all problems are reported at once', async () => {
    await edit('title:', 'titel:');
    await edit('json_type: number', 'json_type: numbr');
    await edit('max_count: 0', 'max_count: many');
    const { details } = await refusedDeploy();
    const paths = details.problems.map(({ path }: { path: string }) => path);
    expect(paths).toEqual(
      expect.arrayContaining(['titel', 'hooks[0].feature.columns[0].json_type', 'files.max_count']),
    );
  });
});

describe('a hook’s directory', () => {
  const hook = () => join(place, 'hooks/doubled');

  test('that is not there', async () => {
    await rm(hook(), { recursive: true });
    await expectDirectoryProblem();
  });

  test('that is a file', async () => {
    await rm(hook(), { recursive: true });
    await writeFile(hook(), 'code');
    await expectDirectoryProblem();
  });

  test.each([
    ['an absolute path', '/etc/hostname'],
    ['what is beside it', '../../convention.yaml'],
    ['nothing', 'nowhere.mjs'],
  ])('with a link to %s', async (_, target) => {
    await symlink(target, join(hook(), 'link'));
    await expectDirectoryProblem('link');
  });

  test('that is absolute in the file', async () => {
    await edit('directory: ./hooks/doubled', `directory: ${hook()}`);
    await expectDirectoryProblem();
  });

  async function expectDirectoryProblem(named = ''): Promise<void> {
    const { code, details, message } = await refusedDeploy();
    expect(code).toBe('usage');
    expect(details.problems).toMatchObject([{ path: 'hooks[0].release.directory' }]);
    expect(message).toMatch(/^convention\.yaml:\d+:\d+ hooks\[0\]\.release\.directory: /m);
    expect(message).toContain(named);
  }
});

describe('what is deployed does not change', () => {
  const second = (name: string) => `
  - name: ${name}
    feature:
      cardinality: one
      columns: [{ name: value, json_type: number, required: true }]
    release: { directory: ./hooks/doubled, command: [node, hook.mjs], source_ref: git:test }
`;

  test('a schema under the same version: the differences, and nothing else of the deploy happens', async () => {
    await deployed('schema');
    const text = await edit(
      'name: value, type: number, required: true',
      'name: value, type: text, required: false',
    );
    await writeFile(join(place, 'convention.yaml'), `${text.trimEnd()}${second('beside_schema')}`);
    await edit('title: Numbers', 'title: Words');
    const { code, field, details } = await stage.changingNothing(() =>
      refused(place, ['deploy'], { exit: 1 }),
    );
    expect([code, field]).toEqual(['conflict', 'schema.fields.value.required']);
    expect(details.differences).toEqual([
      { path: 'schema.fields.value.required', from: true, to: false },
      { path: 'schema.fields.value.type', from: 'number', to: 'text' },
    ]);
    expect((await stage.http.get('/api/v1/hooks/beside_schema')).status).toBe(404);
  });

  test('a contract: the differences, and nothing else of the deploy happens', async () => {
    await deployed('contract');
    const text = await edit(
      'columns: [{ name: value, json_type: number, required: true }]',
      'columns: [{ name: value, json_type: number, required: true, unit: m }, { name: more, json_type: string, required: false }]',
    );
    await writeFile(join(place, 'convention.yaml'), `${text.trimEnd()}${second('beside_contract')}`);
    const { code, details } = await stage.changingNothing(() => refused(place, ['deploy'], { exit: 1 }));
    expect(code).toBe('conflict');
    expect(details.differences).toEqual([
      { path: 'hooks[0].feature.columns.more', from: null, to: 'string' },
      { path: 'hooks[0].feature.columns.value.unit', from: null, to: 'm' },
    ]);
    expect((await stage.http.get('/api/v1/hooks/beside_contract')).status).toBe(404);
  });

  /** A convention, schema and hook of their own. */
  async function deployed(name: string): Promise<void> {
    await edit('slug: numbers', `slug: ${name}-numbers`);
    await edit('id: number-record', `id: ${name}-record`);
    await edit('- name: doubled', `- name: ${name}_doubled`);
    expect((await osaJson(place, ['deploy'])).changed).toBe(true);
  }
});

describe('records', () => {
  const valid = (id: string, value = 1) => `${JSON.stringify({ source_id: id, metadata: { value } })}\n`;
  beforeAll(async () => {
    const own = await stage.project();
    await writeProject(own, { code: doubles });
    await osaJson(own, ['deploy']);
  });

  test('that break the schema are kept as invalid, and never cost the others', async () => {
    const lines = [
      valid('good-1', 1),
      '{"source_id": "text", "metadata": {"value": "1"}}\n',
      '{"source_id": "missing", "metadata": {}}\n',
      '{"source_id": "unknown", "metadata": {"value": 1, "colour": "red"}}\n',
      valid('good-2', 2),
    ];
    await writeFile(join(place, 'records.ndjson'), lines.join(''));
    const answer = await osaJson(place, ['ingest', 'numbers', 'records.ndjson']);
    expect(answer).toMatchObject({ status: 'completed', records: 5, invalid: 3, published: 2, rows: 2 });
    const { items } = await osaJson(place, ['ingestions', 'show', answer.id, '--failed']);
    expect(items).toMatchObject([
      { source_id: 'text', line: 2, status: 'invalid', reason: expect.stringContaining('value') },
      { source_id: 'missing', line: 3, status: 'invalid', reason: expect.stringContaining('value') },
      { source_id: 'unknown', line: 4, status: 'invalid', reason: expect.stringContaining('colour') },
    ]);
  });

  test('that cannot be kept are invalid, too, with their line and reason', async () => {
    const lines = [
      valid('good-3', 1),
      '{"source_id": "nul", "metadata": {"value": "a\\u0000"}}\n',
      '{"source_id": "range", "metadata": {"value": 1e999}}\n',
    ];
    await writeFile(join(place, 'records.ndjson'), lines.join(''));
    const answer = await osaJson(place, ['ingest', 'numbers', 'records.ndjson']);
    expect(answer).toMatchObject({ status: 'completed', records: 3, invalid: 2, published: 1 });
    const { items } = await osaJson(place, ['ingestions', 'show', answer.id, '--failed']);
    expect(items).toMatchObject([
      { source_id: 'nul', line: 2, status: 'invalid', reason: expect.stringContaining('u0000') },
      { source_id: 'range', line: 3, status: 'invalid', reason: expect.stringContaining('1e999') },
    ]);
  });

  test.each<[string, string | Buffer, { code: string; line?: number }]>([
    ['whose last line is cut off', `${valid('a')}${valid('b').slice(0, 30)}`, { code: 'malformed', line: 2 }],
    [
      'with a byte that is not UTF-8',
      Buffer.concat([
        Buffer.from(`${valid('a')}{"source_id": "`),
        Buffer.from([0xc3, 0x28]),
        Buffer.from('", "metadata": {}}\n'),
      ]),
      { code: 'malformed', line: 2 },
    ],
    ['with a line that is no object', `${valid('a')}[1]\n`, { code: 'invalid', line: 2 }],
    ['with a line that is no JSON', `source_id,value\na,1\n`, { code: 'malformed', line: 1 }],
    [
      'with an id that is a number',
      '{"source_id": 7, "metadata": {"value": 1}}\n',
      { code: 'invalid', line: 1 },
    ],
    ['without an id', '{"metadata": {"value": 1}}\n', { code: 'invalid', line: 1 }],
    [
      'with an unknown member',
      '{"source_id": "a", "metadata": {}, "run_id": "x"}\n',
      { code: 'invalid', line: 1 },
    ],
    [
      'with a line that is too long',
      valid('a') + valid('x'.repeat(1024 * 1024)),
      { code: 'too_large', line: 2 },
    ],
    ['that is empty', '', { code: 'invalid' }],
    ['that holds only blank lines', '\n \r\n\n', { code: 'invalid' }],
  ])('a file %s changes nothing', async (_, content, { code, line }) => {
    await writeFile(join(place, 'records.ndjson'), content);
    const args = ['ingest', 'numbers', 'records.ndjson', '--batch-size', '1'];
    const found = await stage.changingNothing(() => refused(place, args, { exit: 2 }));
    expect([found.code, found.details.code, found.details.line]).toEqual(['usage', code, line]);
    if (line !== undefined) expect(found.message).toContain(`line ${line}`);
    expect(await spooled()).toEqual([]);
  });

  test('a source twice, in different batches: both lines are named', async () => {
    const lines = ['a', 'b', 'c', 'd', 'e', 'b'].map((id, index) => valid(id, index));
    await writeFile(join(place, 'records.ndjson'), lines.join(''));
    const args = ['ingest', 'numbers', 'records.ndjson', '--batch-size', '2'];
    const found = await stage.changingNothing(() => refused(place, args, { exit: 2 }));
    expect(found).toMatchObject({ code: 'usage', field: 'source_id', details: { line: 6, first_line: 2 } });
    expect(found.message).toMatch(/line 6\b.*"b".*line 2\b/);
  });

  test('a file that is not there, or is a directory', async () => {
    await stage.changingNothing(() => refused(place, ['ingest', 'numbers', 'nothing.ndjson'], { exit: 2 }));
    await stage.changingNothing(() => refused(place, ['ingest', 'numbers', 'hooks'], { exit: 2 }));
  });

  test('a convention that is not there', async () => {
    await writeFile(join(place, 'records.ndjson'), valid('a'));
    const found = await stage.changingNothing(() =>
      refused(place, ['ingest', 'nothing', 'records.ndjson'], { exit: 1 }),
    );
    expect([found.code, found.message]).toEqual(['not_found', expect.stringContaining('nothing')]);
  });

  test('an ingestion or a hook that is not there', async () => {
    const id = '0198c0de-0000-7000-8000-000000000009';
    for (const args of [
      ['ingestions', 'show', id],
      ['ingestions', 'show', id, '--failed'],
      ['ingestions', 'retry', id],
      ['hooks', 'show', 'nothing'],
      ['hooks', 'history', 'nothing'],
      ['hooks', 'rollback', 'nothing', '--yes'],
      ['hooks', 'releases', 'nothing'],
      ['hooks', 'diff', 'nothing', '1', '2'],
      ['hooks', 'pause', 'nothing'],
      ['hooks', 'release', 'nothing', '--cpu', '1'],
      ['rows', 'nothing'],
      ['deploys', 'list', 'nothing'],
      ['deploys', 'show', id],
    ]) {
      const found = await stage.changingNothing(() => refused(place, args, { exit: 1 }));
      expect([found.code, found.message]).toEqual([
        'not_found',
        expect.stringMatching(new RegExp(`${id}|nothing`)),
      ]);
      // Each says what shows those that there are.
      expect(found.message).toMatch(/`osa (hooks|deploys|ingestions) list`/);
    }
  });

  test('a release that is not there: how many there are', async () => {
    const found = await stage.changingNothing(() =>
      refused(place, ['hooks', 'diff', 'doubled', '1', '9'], { exit: 1 }),
    );
    expect(found).toMatchObject({
      code: 'not_found',
      field: 'version',
      message: expect.stringContaining('hook doubled has no release 9; '),
      details: { hook: 'doubled', releases: expect.any(Number) },
    });
  });
});

async function spooled(): Promise<string[]> {
  return readdir(join(stage.directory, '.osa/data/spool'));
}

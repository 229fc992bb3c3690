import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { reservedColumns } from '@osa/core/hook/hook';
import { packDirectory } from '@osa/core/hook/pack';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { until } from './harness.ts';
import { osa, osaJson } from './programs.ts';
import { writeProject } from './project.ts';
import { type Stage, startStage } from './stage.ts';
import { hookCode } from './workbench.ts';

vi.setConfig({ testTimeout: 60_000 });

/** Hooks and sources that lie: each record gets what is its own, under its own name, and nothing else. */

let stage: Stage;
beforeAll(async () => {
  stage = await startStage();
});
afterAll(async () => {
  try {
    // Whatever the sources were called and the hooks did, no attempt leaves anything.
    const attempts = () => readdir(join(stage.directory, '.osa/work'));
    await until('the last attempt to be cleared away', async () => (await attempts()).length === 0);
  } finally {
    await stage.close();
  }
});

interface Line {
  readonly source_id: string;
  readonly line: number;
  readonly status: string;
  readonly reason: string;
}

/** Deploys a convention with one hook of one column `value`, over records of a number and a text. */
async function deployed(name: string, code: string, columns: readonly object[] = []): Promise<string> {
  const place = await stage.project();
  await writeProject(place, { code });
  const declared = [{ name: 'value', json_type: 'number', required: true }, ...columns];
  const convention = {
    slug: slugOf(name),
    title: name,
    description: 'Hooks that lie',
    schema: {
      id: `${slugOf(name)}-record`,
      version: '1.0.0',
      fields: [
        { name: 'value', type: 'number', required: true },
        { name: 'lines', type: 'text', required: false },
      ],
    },
    files: { accepted_types: [], max_count: 0 },
    hooks: [
      {
        name,
        feature: { cardinality: 'one', columns: declared },
        release: { directory: './hooks/doubled', command: ['node', 'hook.mjs'], source_ref: 'git:test' },
      },
    ],
  };
  // JSON is YAML.
  await writeFile(join(place, 'convention.yaml'), JSON.stringify(convention));
  await osaJson(place, ['deploy']);
  return place;
}

function slugOf(name: string): string {
  return name.replaceAll('_', '-');
}

interface Incoming {
  readonly id: string;
  readonly value?: number;
  /** What the hook writes for this record, as it stands. */
  readonly lines?: string;
}

async function ingested(place: string, name: string, records: readonly Incoming[], batchSize = 1_000) {
  const lines = records.map(({ id, value = 1, lines: said }) =>
    JSON.stringify({ source_id: id, metadata: { value, ...(said !== undefined && { lines: said }) } }),
  );
  await writeFile(join(place, 'records.ndjson'), `${lines.join('\n')}\n`);
  const args = ['ingest', slugOf(name), 'records.ndjson', '--batch-size', String(batchSize)];
  const answer = await osaJson(place, args);
  const { items } = await osaJson(place, ['ingestions', 'show', answer.id, '--failed', '--limit', '1000']);
  const failed = new Map<string, Line>(items.map((item: Line) => [item.source_id, item]));
  return { answer, failed };
}

/** Every row with the source that it is traced to. */
async function rowsBySource(place: string, hook: string) {
  const { rows } = await osaJson(place, ['rows', hook, '--limit', '1000']);
  const found = new Map<string, { row: { value: number; run_id: string; id: number }; trace: Traced }>();
  for (const row of rows) {
    const { json } = await stage.http.get(`/api/v1/trace/rows/${hook}/${row.id}`);
    const trace = json as Traced;
    expect(found.has(trace.record.source_id)).toBe(false);
    found.set(trace.record.source_id, { row, trace });
  }
  return found;
}

interface Traced {
  readonly row: { readonly values: Readonly<Record<string, unknown>> };
  readonly record: {
    readonly source_id: string;
    readonly srn: string;
    readonly metadata: Record<string, unknown>;
  };
  readonly run: { readonly id: string; readonly attempts: readonly { readonly resolved_digest: string }[] };
  readonly release: { readonly version: number; readonly digest: string };
}

describe('a hook that writes whatever its records say', () => {
  const puppet = `import { readFileSync, writeFileSync } from 'node:fs';
const records = readFileSync(process.env.OSA_IN + '/records.jsonl', 'utf8').split('\\n').filter(Boolean).map((line) => JSON.parse(line));
const own = ({ id, metadata: { value } }) => JSON.stringify({ id, features: [{ value }] }) + '\\n';
const out = records.map((record) => record.metadata.lines ?? own(record)).join('');
writeFileSync(process.env.OSA_OUT + '/features.jsonl', out);
// A side channel that nobody reads.
writeFileSync(process.env.OSA_OUT + '/run.json', JSON.stringify({ run_id: 'forged', release: 99 }));
writeFileSync(process.env.OSA_OUT + '/records.jsonl', 'forged');
`;
  const line = (id: string, row: object) => `${JSON.stringify({ id, features: [row] })}\n`;
  /** \`__proto__\` in a literal would be the prototype. */
  const odd = (id: string, member: string) =>
    `{"id": ${JSON.stringify(id)}, "features": [{"value": 1, ${member}}]}\n`;

  test('cannot name its provenance, answer for others, or answer twice; the others are fine', async () => {
    const hook = 'puppet';
    const forged = [...reservedColumns, 'record_id', 'hook', 'version', 'superseded_by'];
    const odds = [
      '__proto__',
      'constructor',
      'prototype',
      'toString',
      'hasOwnProperty',
      'Value',
      ' value',
      '',
    ];
    const records: Incoming[] = [
      ...forged.map((column) => ({
        id: `forges ${column}`,
        lines: line(`forges ${column}`, { value: 1, [column]: 1 }),
      })),
      ...odds.map((column) => ({
        id: `odd ${column}`,
        lines: odd(`odd ${column}`, `${JSON.stringify(column)}: {"run_id": "x"}`),
      })),
      { id: 'value twice', lines: odd('value twice', '"value": 2') },
      { id: 'twice', lines: line('twice', { value: 1 }) + line('twice', { value: 2 }) },
      { id: 'silent', lines: '' },
      { id: 'null', lines: line('null', { value: null }) },
      { id: 'text', lines: line('text', { value: '1' }) },
      { id: 'infinite', lines: '{"id": "infinite", "features": [{"value": 1e400}]}\n' },
      { id: 'two rows', lines: '{"id": "two rows", "features": [{"value": 1}, {"value": 2}]}\n' },
      { id: 'no rows', lines: '{"id": "no rows", "features": []}\n' },
      { id: 'thief', lines: line('honest in another batch', { value: 666 }) + line('thief', { value: 2 }) },
      { id: 'impostor', lines: line('nobody', { value: 666 }) },
      ...[1, 2, 3].map((value) => ({ id: `honest ${value}`, value })),
      { id: 'framed', value: 4 },
      { id: 'framer', lines: line('framed', { value: 666 }) + line('framer', { value: 5 }) },
    ];
    const others: Incoming = { id: 'honest in another batch', value: 7 };
    const place = await deployed(hook, puppet);
    const { answer, failed } = await ingested(place, hook, [...records, others], records.length);

    for (const column of [...forged, ...odds]) {
      const record = forged.includes(column) ? `forges ${column}` : `odd ${column}`;
      expect(failed.get(record), record).toMatchObject({ status: 'errored' });
      expect(failed.get(record)?.reason).toContain(`column ${JSON.stringify(column)}`);
    }
    const reasons: Record<string, RegExp> = {
      'value twice': /"value"/,
      twice: /answered more than once/,
      silent: /did not answer/,
      null: /column "value" is required/,
      text: /column "value": "1"/,
      infinite: /column "value": .*1e400/,
      'two rows': /cardinality is one/,
      'no rows': /cardinality is one/,
      impostor: /did not answer/,
      // Who answers for a record of the batch spoils it, since nobody can tell the two apart; never silently.
      framed: /answered more than once/,
    };
    for (const [id, reason] of Object.entries(reasons)) {
      expect(failed.get(id)?.status, id).toBe('errored');
      expect(failed.get(id)?.reason).toMatch(reason);
    }
    const errored = forged.length + odds.length + Object.keys(reasons).length;
    expect([...failed.keys()].filter((id) => !(id in reasons) && !/^(forges|odd) /.test(id))).toEqual([]);
    expect(answer).toMatchObject({ status: 'completed', errored, published: 6, rows: 6, invalid: 0 });

    const digest = (await packDirectory(join(place, 'hooks/doubled'))).digest;
    const found = await rowsBySource(place, hook);
    const values = [...found].map(([source, { row }]) => [source, row.value]);
    expect(new Map(values as [string, number][])).toEqual(
      new Map([
        ['thief', 2],
        ['honest 1', 1],
        ['honest 2', 2],
        ['honest 3', 3],
        ['framer', 5],
        ['honest in another batch', 7],
      ]),
    );
    for (const { row, trace } of found.values()) {
      expect(trace.run.id).toBe(row.run_id);
      expect(trace.release).toMatchObject({ version: 1, digest });
    }
    expect(found.get('thief')?.trace.run.id).not.toBe(found.get('honest in another batch')?.trace.run.id);
  });
});

describe('a hook that looks around', () => {
  test('overwrites its own code: the next batch runs the code of the release', async () => {
    const hook = 'rewrites';
    const code = `import { fileURLToPath } from 'node:url';
${hookCode('return { features: [{ value: metadata.value }] }')}
const forged = "import { writeFileSync } from 'node:fs'; writeFileSync(process.env.OSA_OUT + '/features.jsonl', '');";
writeFileSync(fileURLToPath(import.meta.url), forged);
writeFileSync(process.env.OSA_IN + '/records.jsonl', '');
`;
    const place = await deployed(hook, code);
    const { digest } = await packDirectory(join(place, 'hooks/doubled'));
    const records = [1, 2, 3].map((value) => ({ id: `r${value}`, value }));
    const { answer } = await ingested(place, hook, records, 1);
    expect(answer).toMatchObject({ status: 'completed', published: 3, errored: 0, rows: 3 });
    const found = await rowsBySource(place, hook);
    expect([...found].map(([source, { row }]) => [source, row.value]).sort()).toEqual([
      ['r1', 1],
      ['r2', 2],
      ['r3', 3],
    ]);
    for (const { trace } of found.values()) {
      expect(trace.run.attempts.map((attempt) => attempt.resolved_digest)).toEqual([digest]);
    }
  });

  test('finds none of the daemon’s environment, and none of its files open', async () => {
    const hook = 'curious';
    const look = `const { readdirSync, readlinkSync, readFileSync: read } = await import('node:fs');
const linux = process.platform === 'linux';
const environment = linux ? read('/proc/self/environ', 'utf8').split('\\0').filter(Boolean).map((entry) => entry.split('=')[0]) : Object.keys(process.env);
const target = (fd) => { try { return readlinkSync('/proc/self/fd/' + fd); } catch { return ''; } };
const open = linux ? readdirSync('/proc/self/fd').map(target).filter((path) => path.includes('/.osa/') && !path.includes('/work/')) : [];
`;
    const answerWith = hookCode(
      'return { features: [{ value: 1, environment, seen: Object.keys(process.env), open, home: process.env.HOME }] }',
    );
    const columns = [
      { name: 'environment', json_type: 'array', required: true },
      { name: 'seen', json_type: 'array', required: true },
      { name: 'open', json_type: 'array', required: true },
      { name: 'home', json_type: 'string', required: true },
    ];
    const place = await deployed(hook, look + answerWith, columns);
    const { answer, failed } = await ingested(place, hook, [{ id: 'r1' }]);
    expect(answer, JSON.stringify([...failed])).toMatchObject({ published: 1 });
    const { rows } = await osaJson(place, ['rows', hook]);
    const allowed = ['HOME', 'LANG', 'OSA_FILES', 'OSA_HOOK_NAME', 'OSA_IN', 'OSA_OUT', 'PATH', 'TMPDIR'];
    expect(rows[0].environment.sort()).toEqual(allowed);
    expect(rows[0].seen.sort()).toEqual(allowed);
    expect(rows[0].open).toEqual([]);
    expect(rows[0].home).not.toBe(stage.directory);
  });
});

describe('what hooks and sources say is shown, not obeyed', () => {
  const attack = '\u001b[2J\u001b]0;owned\u0007\r\n\u202e';

  test('no control character reaches the terminal', async () => {
    const hook = 'shouting';
    const code = hookCode(
      `return metadata.value > 1 ? { reason: ${JSON.stringify(`no ${attack}`)} } : { features: [{ value: 1, note: ${JSON.stringify(attack)} }] }`,
    );
    const place = await deployed(hook, code, [{ name: 'note', json_type: 'string', required: true }]);
    const records = [{ id: `a${attack}` }, { id: `b${attack}`, value: 2 }];
    const { answer, failed } = await ingested(place, hook, records);
    expect(failed.get(`b${attack}`)).toMatchObject({ status: 'rejected' });
    const { rows } = await osaJson(place, ['rows', hook]);
    expect(rows[0].note).toBe(attack);
    for (const args of [
      ['rows', hook],
      ['trace', `${hook}/${rows[0].id}`],
      ['trace', rows[0].record_srn],
      ['ingestions', 'show', answer.id, '--failed'],
    ]) {
      const { exitCode, stdout, stderr } = await osa(place, args);
      expect(exitCode).toBe(0);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
      expect(stdout + stderr).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
    }
  });
});

describe('the ids of sources', () => {
  const kept = [
    '../../x',
    '/etc/passwd',
    '/',
    '.',
    '..',
    '..\\x',
    'a/../../b',
    'C:\\x',
    'file:///etc/passwd',
    'a:b',
    'a_b',
    'a@b',
    'a b',
    'a%2Fb',
    '\u00e9',
    'e\u0301',
    'A',
    'a',
    '007',
    '7',
    '1e3',
    '1000',
    '-0',
    'NaN',
    'null',
    'true',
    '__proto__',
    'constructor',
    '😀',
    '👩‍👩‍👧',
    '\u202eabc',
    'שלום',
    'a\nb',
    'a\r\nb',
    '\n',
    ' ',
    ' a',
    '\t',
    '\u2028',
    '\ufeffa',
    '\u0001',
    "'; drop table hooks;--",
    '$1',
    '\\N',
    '\\x00',
    '=cmd|calc',
    '"',
    '{}',
    'x'.repeat(1_000),
    '😀'.repeat(250),
  ];

  test('paths-04: are kept to the byte, each its own record, from the upload to the trace', async () => {
    const hook = 'verbatim';
    const echo = hookCode('return { features: [{ value: metadata.value, seen: id }] }');
    const place = await deployed(hook, echo, [{ name: 'seen', json_type: 'string', required: true }]);
    const records = kept.map((id, value) => ({ id, value }));
    expect(new Set(kept).size).toBe(kept.length);
    const { answer } = await ingested(place, hook, records, 17);
    expect(answer).toMatchObject({
      status: 'completed',
      published: kept.length,
      rows: kept.length,
      errored: 0,
    });
    const found = await rowsBySource(place, hook);
    expect([...found.keys()].sort()).toEqual([...kept].sort());
    for (const [source, { row, trace }] of found) {
      expect(trace.row.values).toEqual({ value: kept.indexOf(source), seen: source });
      expect(row.value).toBe(kept.indexOf(source));
      expect(trace.record.metadata).toEqual({ value: kept.indexOf(source) });
    }
    expect(new Set([...found.values()].map(({ trace }) => trace.record.srn)).size).toBe(kept.length);
    // The same again is unchanged: each id finds its own earlier version.
    const again = await ingested(place, hook, records.toReversed());
    expect(again.answer).toMatchObject({ unchanged: kept.length, published: 0, rows: 0 });
  });

  test.each<[string, string, [status: number, code: string]]>([
    ['of 1,001 bytes', JSON.stringify('x'.repeat(1_001)), [422, 'invalid']],
    ['of 1,001 bytes in 501 characters', JSON.stringify(`${'é'.repeat(500)}x`), [422, 'invalid']],
    ['of 10,000 characters', JSON.stringify('x'.repeat(10_000)), [422, 'invalid']],
    ['that is empty', '""', [422, 'invalid']],
    ['that is a number', '7', [422, 'invalid']],
    ['that is null', 'null', [422, 'invalid']],
    ['that is a list', '["a"]', [422, 'invalid']],
    ['with a NUL', '"a\\u0000b"', [400, 'malformed']],
    ['with half a surrogate pair', '"\\ud800"', [400, 'malformed']],
  ])('one %s is refused with its line, and nothing of the upload is stored', async (_, id, expected) => {
    const body = `{"source_id": "fine", "metadata": {"value": 1}}\n{"source_id": ${id}, "metadata": {"value": 1}}\n`;
    const { status, problem } = await stage.changingNothing(() =>
      stage.http.send('POST', '/api/v1/conventions/verbatim/ingestions', {
        headers: { 'content-type': 'application/x-ndjson' },
        body,
      }),
    );
    expect([status, problem?.code]).toEqual(expected);
    expect(problem?.details?.line).toBe(2);
    if (status === 422) expect(problem?.field).toBe('source_id');
  });
});

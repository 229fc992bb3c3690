import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { packDirectory } from '@osa/core/hook/archive/pack';
import { reservedColumns } from '@osa/core/hook/hook';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { hookCode } from '../support/core-archive.ts';
import { until } from '../support/database/database.ts';
import { forgery, type Incoming } from '../support/forgery.ts';
import { osa, osaJson } from '../support/programs.ts';
import { type ProjectDaemon, startProjectDaemon } from '../support/project-daemon.ts';

vi.setConfig({ testTimeout: 60_000 });

/** Hooks and sources that lie: each record gets what is its own, under its own name, and nothing else. */

let stage: ProjectDaemon;
const { deployed, ingested, rowsBySource } = forgery(() => stage);
beforeAll(async () => {
  stage = await startProjectDaemon();
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

  test('rows-01, -02, -03, -05, -17, -21, -22, -24: cannot name its provenance, answer for others, or answer twice; the others are fine', async () => {
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
      // Answers about records that are not of the batch are counted, and one of them quoted.
      impostor:
        /did not answer.* has the id "(nobody|honest in another batch)" \(the first of 2 lines about no record/,
      // An answer for a record of the batch spoils it, since nobody can tell the two apart; never silently.
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

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { allChunks, column, contractOf, outputDirectory, said } from '../support/output-support.ts';

const { read, write, directory } = outputDirectory();
const contract = contractOf([
  column('energy_j', 'number', { required: true }),
  column('level', 'integer'),
  column('label', 'string'),
]);
const row = (energy_j: number) => ({ energy_j, level: 1, label: 'a' });

describe('verdicts', () => {
  test('each record has the answer that the hook gave', async () => {
    await write('features.jsonl', [
      { id: 'a', features: [row(1), row(2)] },
      '',
      ' \r',
      { id: 'b', features: [] },
    ]);
    await write('rejections.jsonl', [{ id: 'c', reason: 'a quarry blast' }]);
    await write('errors.jsonl', [{ id: 'd', error: 'no magnitude', retryable: true }]);
    const reader = await read({ contract, recordIds: ['a', 'b', 'c', 'd', 'e'] });
    expect(Object.fromEntries(reader.judgement.verdicts)).toEqual({
      a: { status: 'passed', rowCount: 2 },
      b: { status: 'passed', rowCount: 0 },
      c: { status: 'rejected', reason: 'a quarry blast' },
      d: { status: 'errored', reason: 'no magnitude' },
      e: { status: 'errored', reason: 'the hook did not answer for this record' },
    });
    expect(reader.judgement).toMatchObject({ rowCount: 2, strayLines: 0, failure: null });
  });

  test('progress.jsonl can reject all records, and its last word counts', async () => {
    await write('features.jsonl', [{ id: 'a', features: [row(1)] }]);
    const words = [
      '{"status":"info"}',
      'rejected',
      '["rejected"]',
      '{"status":"rejected","message":"first"}',
      '\xff rejected',
    ];
    await write(
      'progress.jsonl',
      [...words, '{"step":"x","status":"rejected","message":" no waveform "}', '{"status":"done"}'].join(
        '\n',
      ),
    );
    const reader = await read({ contract, recordIds: ['a', 'b'] });
    expect(said(reader, 'a')).toBe('rejected: no waveform');
    expect(said(reader, 'b')).toBe('rejected: no waveform');
    expect(reader.judgement).toMatchObject({ open: [], rowCount: 0, failure: null });
    expect(await allChunks(reader)).toEqual([]);
  });

  test('progress.jsonl that rejects nothing is read past, and one without a reason is said to be', async () => {
    await write('features.jsonl', [{ id: 'a', features: [row(1)] }]);
    await write(
      'progress.jsonl',
      '{"status":"rejected","status":"x"}\n{"message":"rejected"}\nnull rejected\n',
    );
    expect(said(await read({ contract, recordIds: ['a'] }), 'a')).toBe('passed');
    await write('progress.jsonl', '{"status":"rejected"}');
    expect(said(await read({ contract, recordIds: ['a'] }), 'a')).toBe('rejected: the hook gave no reason');
  });

  test('logs-07: progress.jsonl is read within bounds', async () => {
    await write('features.jsonl', [{ id: 'a', features: [row(1)] }]);
    await write('progress.jsonl', `{"status":"rejected","message":"${'x'.repeat(5_000)}"}\n`.repeat(20));
    const bounded = await read({ contract, recordIds: ['a'], limits: { lineBytes: 1_000 } });
    expect(said(bounded, 'a')).toBe('passed');
    const tooMuch = await read({ contract, recordIds: ['a'], limits: { outputBytes: 50_000 } });
    expect(tooMuch.judgement.failure).toContain('more than 50000 bytes');
    expect(said(await read({ contract, recordIds: ['a'] }), 'a').length).toBeLessThan(2_100);
    await write('progress.jsonl', '{"status":"info"}\n'.repeat(500_000));
    expect(said(await read({ contract, recordIds: ['a'] }), 'a')).toBe('passed');
  });

  test('rows-05: a hook that wrote nothing has answered for no record', async () => {
    const reader = await read({ contract, recordIds: ['a'] });
    expect(said(reader, 'a')).toMatch(
      /^errored: the hook did not answer for this record: it wrote nothing; .*features\.jsonl/,
    );
    expect(await allChunks(reader)).toEqual([]);
  });

  test('a hook that wrote other files is told which, and where its answers belong', async () => {
    await writeFile(join(directory(), 'features.json'), '[]');
    await writeFile(join(directory(), 'a\u001b[2J'), '');
    const reader = await read({ contract, recordIds: ['a'] });
    expect(said(reader, 'a')).toContain('it wrote "a\\u001b[2J", "features.json", which osa does not read');
    for (let n = 0; n < 200; n++) await writeFile(join(directory(), `x${n}`), '');
    const many = said(await read({ contract, recordIds: ['a'] }), 'a');
    expect(many).toMatch(/it wrote (".*", ){2}".*" and more, which osa does not read/);
    expect(many.length).toBeLessThan(400);
  });

  test('a hook whose output answers for no record broke its contract as a whole', async () => {
    await write('features.jsonl', 'garbage\n'.repeat(3));
    const reader = await read({ contract, recordIds: ['a', 'b'] });
    const failure =
      'the hook did not answer for any record: features.jsonl line 1: at byte 0: unexpected "g" (the first of 3 lines about no record of the batch)';
    expect(reader.judgement).toMatchObject({ failure, open: ['a', 'b'], rowCount: 0, strayLines: 3 });
    expect(said(reader, 'b')).toBe(`errored: ${failure}`);
    await write('errors.jsonl', [{ id: 'a', error: 'no magnitude' }]);
    const other = await read({ contract, recordIds: ['a', 'b'] });
    expect(other.judgement.failure).toBeNull();
    expect([said(other, 'a'), said(other, 'b')]).toEqual([
      'errored: no magnitude',
      expect.stringContaining('did not answer for this record: features.jsonl line 1'),
    ]);
  });

  test('rows-03: a record answered twice has no answer, in one file or in two', async () => {
    await write('features.jsonl', [
      { id: 'a', features: [row(1)] },
      { id: 'a', features: [row(2)] },
      { id: 'b', features: [row(1)] },
      { id: 'c', features: [row(1)] },
    ]);
    await write('rejections.jsonl', [{ id: 'b', reason: 'no' }]);
    const reader = await read({ contract, recordIds: ['a', 'b', 'c'] });
    expect(said(reader, 'a')).toContain(
      'answered more than once (features.jsonl line 1, features.jsonl line 2)',
    );
    expect(said(reader, 'b')).toContain(
      'answered more than once (features.jsonl line 3, rejections.jsonl line 1)',
    );
    expect(said(reader, 'c')).toBe('passed');
    expect((await allChunks(reader)).flatMap((chunk) => chunk.recordIds)).toEqual(['c']);
  });

  test('rows-02: an id that is not of the batch is counted and described', async () => {
    await write('features.jsonl', [
      { id: 'theirs', features: [row(1)] },
      { id: 'a', features: [row(1)] },
    ]);
    const reader = await read({ contract, recordIds: ['a'] });
    expect(said(reader, 'a')).toBe('passed');
    expect(reader.judgement.strayLines).toBe(1);
    expect(reader.judgement.strayExamples).toEqual([
      'features.jsonl line 1: no record of the batch has the id "theirs"',
    ]);
    expect(reader.judgement.rowCount).toBe(1);
  });

  test('paths-01, -03, -05, -06: ids are data: each spelling is its own record, and none is a path or a property', async () => {
    const recordIds = [
      '../../x',
      'a/../../b',
      '..\\x',
      '.',
      '..',
      '/etc/passwd',
      'a:b',
      'a_b',
      'a@b',
      '1e3',
      '__proto__',
      'constructor',
      '007',
      '7',
      'é',
      'e\u0301',
      'A',
      'a',
      '😀\n',
    ];
    await write(
      'features.jsonl',
      recordIds.map((id) => ({ id, features: [row(1)] })),
    );
    const reader = await read({ contract, recordIds });
    expect([...reader.judgement.verdicts.keys()]).toEqual(recordIds);
    expect(recordIds.map((id) => said(reader, id))).toEqual(recordIds.map(() => 'passed'));
    expect((await allChunks(reader)).flatMap((chunk) => chunk.recordIds)).toEqual(recordIds);
  });

  test('reasons are cut', async () => {
    await write('rejections.jsonl', [
      { id: 'a', reason: 'x'.repeat(100_000) },
      { id: 'b', reason: ' ' },
      { id: 'c', reason: 7 },
      { id: 'd' },
    ]);
    const reader = await read({ contract, recordIds: ['a', 'b', 'c', 'd'] });
    expect(said(reader, 'a')).toHaveLength('rejected: '.length + 2_000);
    expect(said(reader, 'b')).toBe('rejected: the hook gave no reason');
    expect(said(reader, 'c')).toBe('errored: rejections.jsonl line 3, reason is 7, not a string');
    expect(said(reader, 'd')).toBe('errored: rejections.jsonl line 4, reason is missing');
  });
});

describe('rows', () => {
  test.each([
    'run_id',
    'record_srn',
    'id',
    'outcome_id',
    'release',
    'created_at',
    'ordinal',
    'xmin',
    'tableoid',
  ])('rows-01: cannot forge %s', async (name) => {
    await write('features.jsonl', [
      { id: 'a', features: [row(1), { ...row(2), [name]: 'x' }] },
      { id: 'b', features: [row(1)] },
    ]);
    const reader = await read({ contract, recordIds: ['a', 'b'] });
    expect(said(reader, 'a')).toContain(`line 1, row 2: column "${name}" is reserved`);
    expect(said(reader, 'b')).toBe('passed');
    expect(reader.judgement.rowCount).toBe(1);
  });

  test.each(['extra', '__proto__', 'constructor', 'prototype', 'toString', 'Energy_j', ''])(
    'rows-17, -24: have no column %j',
    async (name) => {
      await write('features.jsonl', [
        `{"id":"a","features":[{"energy_j":1,${JSON.stringify(name)}:{"polluted":1}}]}`,
      ]);
      const reader = await read({ contract, recordIds: ['a'] });
      expect(said(reader, 'a')).toContain(
        `column ${JSON.stringify(name)} is not in the contract of hook shake`,
      );
      expect('polluted' in {}).toBe(false);
    },
  );

  test.each([{ label: 'a' }, { energy_j: null }])(
    'rows-22: need their required columns: %j',
    async (value) => {
      await write('features.jsonl', [{ id: 'a', features: [value] }]);
      expect(said(await read({ contract, recordIds: ['a'] }), 'a')).toContain(
        'column "energy_j" is required',
      );
    },
  );

  test('rows-21: are exactly one where the cardinality is one', async () => {
    await write(
      'features.jsonl',
      [0, 1, 2].map((count) => ({ id: `${count}`, features: Array(count).fill(row(1)) })),
    );
    const reader = await read({ contract: { ...contract, cardinality: 'one' }, recordIds: ['0', '1', '2'] });
    expect(said(reader, '0')).toContain('the cardinality is one, but there are 0 rows');
    expect(said(reader, '1')).toBe('passed');
    expect(said(reader, '2')).toContain('the cardinality is one, but there are 2 rows');
  });

  test('come in chunks, in the order of the file, with their place', async () => {
    await write('features.jsonl', [
      { id: 'b', features: [row(1), row(2), row(3)] },
      { id: 'bad', features: [{}] },
      { features: [row(4), { energy_j: 5 }], id: 'a' },
    ]);
    const reader = await read({ contract, recordIds: ['a', 'b', 'bad'] });
    expect(await allChunks(reader, 2)).toEqual([
      { rowCount: 2, recordIds: ['b', 'b'], ordinals: [0, 1], columns: ['{1,2}', '{1,1}', '{"a","a"}'] },
      { rowCount: 2, recordIds: ['b', 'a'], ordinals: [2, 0], columns: ['{3,4}', '{1,1}', '{"a","a"}'] },
      { rowCount: 1, recordIds: ['a'], ordinals: [1], columns: ['{5}', '{NULL}', '{NULL}'] },
    ]);
    expect(await allChunks(reader, 100)).toHaveLength(1);
  });
});

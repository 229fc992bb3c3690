import { createHash } from 'node:crypto';
import { link, mkdir, open, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OsaError } from '@osa/core/error';
import { bounds } from '@osa/core/limits';
import { outputThreads } from '@osa/core/run/output/threads';
import { build } from 'esbuild';
import { execa } from 'execa';
import { describe, expect, test } from 'vitest';
import { longestBusy } from '../support/busy.ts';
import { allChunks, column, contractOf, outputDirectory, said } from '../support/output-support.ts';

const { directory, read, write } = outputDirectory();
const contract = contractOf([column('n', 'integer', { required: true }), column('label', 'string')]);
const recordIds = ['a', 'b'];
const line = (id: string, rows = 1) => ({ id, features: Array.from({ length: rows }, (_, n) => ({ n })) });

describe('files that are no plain files fail the output', () => {
  const file = () => join(directory(), 'features.jsonl');
  const secret = () => join(directory(), 'secret');
  const makers: [string, () => Promise<unknown>, string][] = [
    ['a symbolic link', () => symlink(secret(), file()), 'is a symbolic link'],
    ['a second name', () => link(secret(), file()), 'has a second name'],
    ['a directory', () => mkdir(file()), 'is not a regular file'],
    ['a pipe without a writer', () => execa('mkfifo', [file()]), 'is not a regular file'],
  ];

  test.each(makers)('%s', async (_, make, problem) => {
    await writeFile(secret(), JSON.stringify(line('a')));
    await make();
    await write('rejections.jsonl', [{ id: 'b', reason: 'no' }]);
    const { judgement } = await read({ contract, recordIds });
    expect(judgement.failure).toContain(`features.jsonl ${problem}`);
    expect([...judgement.verdicts.values()].map(({ status }) => status)).toEqual(['errored', 'errored']);
  });

  test('the directory itself', async () => {
    await mkdir(join(directory(), 'real'));
    await symlink(join(directory(), 'real'), join(directory(), 'out'));
    const { judgement } = await read({ contract, recordIds, directory: join(directory(), 'out') });
    expect(judgement.failure).toContain('is not a directory');
  });
});

describe('bounds', () => {
  test('all files together', async () => {
    await write('features.jsonl', [line('a', 50)]);
    await write('errors.jsonl', [{ id: 'b', error: 'x'.repeat(300) }]);
    const { judgement } = await read({ contract, recordIds, limits: { outputBytes: 500 } });
    expect(judgement.failure).toContain('more than 500 bytes');
    expect(judgement.rowCount).toBe(0);
  });

  test('a line: its record is errored by name, the others pass', async () => {
    const long = { id: 'a', features: [{ n: 1, label: 'x'.repeat(1_000_000) }] };
    await write('features.jsonl', [long, `"${'y'.repeat(3_000_000)}"`, line('b')]);
    const reader = await read({ contract, recordIds, limits: { lineBytes: 500_000 } });
    expect(said(reader, 'a')).toBe('errored: features.jsonl line 1, the line is longer than 500000 bytes');
    expect(said(reader, 'b')).toBe('passed');
    expect(reader.judgement.strayLines).toBe(1);
  });

  test('a line is measured exactly, at its bound and over it', async () => {
    const text = JSON.stringify(line('a'));
    await write('features.jsonl', [text]);
    expect(said(await read({ contract, recordIds, limits: { lineBytes: text.length } }), 'a')).toBe('passed');
    expect(said(await read({ contract, recordIds, limits: { lineBytes: text.length - 1 } }), 'a')).toContain(
      'longer',
    );
  });

  test('rows-19: one line of a gibibyte, without end, is read through in little memory', async () => {
    const file = await open(join(directory(), 'features.jsonl'), 'w');
    await file.truncate(bounds.outputBytes);
    await file.close();
    const before = process.memoryUsage.rss();
    let most = before;
    const look = setInterval(() => {
      most = Math.max(most, process.memoryUsage.rss());
    }, 5);
    const { judgement } = await read({ contract, recordIds });
    clearInterval(look);
    const failure = expect.stringContaining(`is longer than ${bounds.lineBytes} bytes`);
    expect(judgement).toMatchObject({ failure, strayLines: 1, rowCount: 0 });
    // A thread of its own is most of it; the line is eight times as long.
    expect(most - before).toBeLessThan(bounds.outputBytes / 8);
  }, 30_000);

  test('rows of a record, and of a batch', async () => {
    await write('features.jsonl', [line('a', 4), line('b', 3)]);
    const reader = await read({ contract, recordIds, limits: { rowsPerRecord: 3 } });
    expect(said(reader, 'a')).toContain('row 4: a record has at most 3 rows');
    expect(said(reader, 'b')).toBe('passed');
    const { judgement } = await read({ contract, recordIds, limits: { rowsPerBatch: 6 } });
    expect(judgement.failure).toContain('too many rows: a batch has at most 6');
  });

  test.each(['1\n', '\n', '{"id":"b"}\n'])('rows-20: ten million lines of %j', async (flood) => {
    await write('features.jsonl', flood.repeat(10_000_000));
    const { judgement } = await read({ contract, recordIds });
    const failure = expect.stringContaining('too many lines: more than 1020 for 2 records');
    expect(judgement).toMatchObject({ failure, rowCount: 0, open: recordIds });
  });

  test('rows-20: ten million rows of a batch, and one more of a record than it may have', async () => {
    const narrow = contractOf([column('n', 'integer')]);
    const full = `[${'{},'.repeat(bounds.rowsPerRecord - 1)}{}]`;
    const ids = Array.from({ length: 10_000_000 / bounds.rowsPerRecord }, (_, index) => `r${index}`);
    await write(
      'features.jsonl',
      ids.map((id) => `{"id":"${id}","features":${full}}`),
    );
    const { judgement } = await read({ contract: narrow, recordIds: ids });
    const failure = 'too many rows: a batch has at most 5000000 under one hook';
    expect(judgement).toMatchObject({ failure, rowCount: 0, open: ids });
    await write('features.jsonl', [
      `{"id":"a","features":${full.replace('[', '[{},')}}`,
      `{"id":"b","features":${full}}`,
    ]);
    const reader = await read({ contract: narrow, recordIds });
    expect(said(reader, 'a')).toContain('row 100001: a record has at most 100000 rows');
    expect(said(reader, 'b')).toBe('passed');
    expect(reader.judgement.rowCount).toBe(bounds.rowsPerRecord);
  }, 30_000);

  test('a chunk ends early when its texts are long', async () => {
    const wide = contractOf(Array.from({ length: 500 }, (_, index) => column(`c${index}`, 'integer')));
    await write('features.jsonl', [{ id: 'a', features: Array(20_000).fill({}) }]);
    const chunks = await allChunks(await read({ contract: wide, recordIds }), 1_000_000);
    expect(chunks.length).toBeGreaterThan(5);
    expect(chunks.reduce((sum, { rowCount }) => sum + rowCount, 0)).toBe(20_000);
  });
});

describe('reading', () => {
  test('the digest is what sha256sum says', async () => {
    await write('features.jsonl', [line('a')]);
    await write('errors.jsonl', '');
    const { judgement } = await read({ contract, recordIds });
    const printed = await execa('sha256sum', ['features.jsonl', 'errors.jsonl'], { cwd: directory() });
    expect(judgement.outputDigest).toBe(createHash('sha256').update(`${printed.stdout}\n`).digest('hex'));
  });

  test('lines of all lengths, across the blocks in which a file is read', async () => {
    const lengths = [0, 1, 262_000, 262_143, 262_144, 262_145, 3, 700_000, 1];
    const ids = lengths.map((_, index) => `r${index}`);
    const content = lengths.map((length, index) => ({
      id: ids[index],
      features: [{ n: index, label: 'é'.repeat(length / 2) }],
    }));
    await write('features.jsonl', content.map((item) => JSON.stringify(item)).join('\n'));
    const reader = await read({ contract, recordIds: ids });
    expect(ids.map((id) => said(reader, id))).toEqual(ids.map(() => 'passed'));
    const [chunk] = await allChunks(reader);
    expect(chunk?.columns[0]).toBe('{0,1,2,3,4,5,6,7,8}');
    expect(chunk?.columns[1]).toBe(`{${lengths.map((length) => `"${'é'.repeat(length / 2)}"`).join(',')}}`);
  });

  test('rows of a file that is not the judged one are an internal error', async () => {
    await write('features.jsonl', [line('a', 2)]);
    const reader = await read({ contract, recordIds });
    const code = () =>
      allChunks(reader).then(
        () => 'none',
        (error: OsaError) => error.code,
      );
    expect(await code()).toBe('none');
    await write('features.jsonl', [line('a', 3)]);
    expect(await code()).toBe('internal');
    await write('features.jsonl', ['{"id":"a","features":[{"n":0},{"n":7}]}']);
    expect(await code()).toBe('internal');
    await rename(join(directory(), 'features.jsonl'), join(directory(), 'other'));
    expect(await code()).toBe('internal');
    await symlink('other', join(directory(), 'features.jsonl'));
    expect(await code()).toBe('internal');
  });

  test('aborting ends it with the reason, at any time', async () => {
    await write('features.jsonl', [line('a', 50_000)]);
    const gone = new OsaError('lease_lost', 'gone');
    await expect(read({ contract, recordIds, signal: AbortSignal.abort(gone) })).rejects.toBe(gone);
    const soon = new AbortController();
    const reading = read({ contract, recordIds, signal: soon.signal });
    soon.abort();
    await expect(reading).rejects.toMatchObject({ code: 'interrupted' });
    const later = new AbortController();
    const reader = await read({ contract, recordIds, signal: later.signal });
    const rows = reader.rows({ rowsPerChunk: 10 })[Symbol.asyncIterator]();
    expect((await rows.next()).done).toBe(false);
    later.abort(gone);
    await expect(
      rows
        .next()
        .then(() => rows.next())
        .then(() => rows.next()),
    ).rejects.toBe(gone);
  });

  test('a reader that stops early leaves no thread behind, and the next one works', async () => {
    await write('features.jsonl', [line('a', 50_000)]);
    const reader = await read({ contract, recordIds });
    for await (const chunk of reader.rows({ rowsPerChunk: 10 })) {
      expect(chunk.rowCount).toBe(10);
      break;
    }
    expect(await allChunks(reader, 50_000)).toHaveLength(1);
  });

  test('a thread that dies is an internal error', async () => {
    await write('features.jsonl', [line('a', 50_000)]);
    await using threads = outputThreads({ idle: 1 });
    const dying = {
      ...threads,
      take() {
        const worker = threads.take();
        void worker.terminate();
        return worker;
      },
    };
    await expect(read({ contract, recordIds, threads: dying })).rejects.toMatchObject({ code: 'internal' });
  });

  test('50 MB do not hold up the event loop', async () => {
    const many = Array.from({ length: 1_000 }, (_, index) => `r${index}`);
    const features = Array.from({ length: 1_000 }, (_, n) => ({ n, label: `row ${n} ${'x'.repeat(30)}` }));
    const text = JSON.stringify(features);
    await write(
      'features.jsonl',
      many.map((id) => `{"id":"${id}","features":${text}}`),
    );
    let rows = 0;
    const longest = await longestBusy(async () => {
      const reader = await read({ contract, recordIds: many });
      for await (const chunk of reader.rows({ rowsPerChunk: 10_000 })) rows += chunk.rowCount;
    });
    expect(rows).toBe(1_000_000);
    expect(longest).toBeLessThan(100);
  }, 60_000);

  test('in a bundle the thread’s program is the bundle itself', async () => {
    await write('features.jsonl', [line('a', 3)]);
    const core = new URL('../../packages/core/src/run/output/', import.meta.url).pathname;
    const main = `
      import { isOutputThread, serveOutputThread } from '${core}thread.ts';
      import { readOutput } from '${core}read.ts';
      import { outputThreads } from '${core}threads.ts';
      if (isOutputThread()) serveOutputThread();
      else {
        const [directory, contract] = [process.argv[2], JSON.parse(process.argv[3])];
        const threads = outputThreads({ idle: 0 });
        const reader = await readOutput({ directory, hook: 'shake', contract, recordIds: ['a'], threads });
        for await (const chunk of reader.rows({ rowsPerChunk: 9 })) console.log(JSON.stringify(chunk));
      }`;
    const outfile = join(directory(), 'main.mjs');
    const stdin = { contents: main, resolveDir: core };
    await build({ stdin, outfile, bundle: true, platform: 'node', format: 'esm', logLevel: 'silent' });
    const { stdout } = await execa(process.execPath, [outfile, directory(), JSON.stringify(contract)]);
    expect(JSON.parse(stdout)).toMatchObject({ rowCount: 3, columns: ['{0,1,2}', '{NULL,NULL,NULL}'] });
  });
});

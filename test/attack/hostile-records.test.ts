import { recordSteps } from '@osa/core/record/check';
import type { FieldDefinition } from '@osa/core/record/schema';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { deployRequest, type TestDaemon, testDaemon } from '../support/daemon-support.ts';
import { longestTurn } from './flood.ts';

vi.setConfig({ testTimeout: 120_000 });

/** Records that are as costly to read and to check as their schema allows. */

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await testDaemon();
});
afterAll(() => daemon.close());

type Change = Partial<FieldDefinition>;

const field = (name: string, change: Change = {}): FieldDefinition => ({
  name,
  type: 'text',
  required: false,
  cardinality: 'exactly_one',
  ...change,
});

/** The most states that a pattern may have; all of them are entered at each character. */
const worst = '(?:a?){900}b';
const matching = (pattern: string): Change => ({ constraints: { type: 'text', pattern } });

async function deployed(slug: string, fields: readonly FieldDefinition[]): Promise<void> {
  const schema = { id: `${slug}-record`, version: '1.0.0', fields };
  await daemon.call('deploy', { json: { ...deployRequest(), slug, title: slug, schema } });
}

const line = (id: string, metadata: object) => `${JSON.stringify({ source_id: id, metadata })}\n`;

interface Taken {
  /** Processor time, which a busy machine does not change. */
  readonly seconds: number;
  /** The longest pause of the event loop, which the daemon shares with this test. */
  readonly stalledMs: number;
  readonly reasons: readonly (string | null)[];
}

/** Uploads the records, and what the daemon says of each. */
async function upload(slug: string, body: string): Promise<Taken> {
  const before = process.cpuUsage();
  const { result, ms } = await longestTurn(() => daemon.call('ingest', { params: { slug }, body }));
  const { user, system } = process.cpuUsage(before);
  const seconds = (user + system) / 1e6;
  const { id } = result;
  const { items } = await daemon.call('listIngestionRecords', { params: { id }, query: { limit: 1_000 } });
  return { seconds, stalledMs: ms, reasons: items.map(({ reason }) => reason) };
}

/** A busy machine can spoil one round, and does not spoil all of them. */
async function best(act: () => Promise<Taken>): Promise<Taken> {
  let found = await act();
  for (let round = 1; round < 4 && found.seconds > 2; round += 1) {
    const next = await act();
    found = {
      ...next,
      seconds: Math.min(found.seconds, next.seconds),
      stalledMs: Math.max(found.stalledMs, next.stalledMs),
    };
  }
  return found;
}

test('a mebibyte of 400 values for a pattern is invalid within two seconds, and others are answered', async () => {
  const fields = Array.from({ length: 400 }, (_, n) => field(`f${n}`, matching(worst)));
  await deployed('patterns', fields);
  const value = 'a'.repeat(2_500);
  const metadata = Object.fromEntries(fields.map(({ name }) => [name, value]));
  let round = 0;
  const { seconds, stalledMs, reasons } = await best(() => {
    round += 1;
    return upload('patterns', line(`r${round}`, metadata) + line(`good${round}`, { f0: 'b' }));
  });
  expect(reasons[0]).toMatch(/was not matched .* took too long/);
  expect(reasons[1]).toBeNull();
  expect(seconds).toBeLessThan(2);
  expect(stalledMs).toBeLessThan(100);
});

test('what a record may cost bounds a list of values as well', async () => {
  await deployed('lists', [field('list', { ...matching(worst), cardinality: 'zero_or_more' })]);
  const list = Array.from({ length: 400 }, () => 'a'.repeat(2_500));
  let round = 0;
  const { seconds, stalledMs, reasons } = await best(() => {
    round += 1;
    return upload('lists', line(`r${round}`, { list }));
  });
  expect(reasons[0]).toMatch(/was not matched/);
  expect([seconds < 2, stalledMs < 100]).toEqual([true, true]);
  expect(recordSteps).toBeLessThanOrEqual(10_000_000);
});

test('a mebibyte of the smallest values, nested as deep as they may be, stalls nobody', async () => {
  await deployed('small', [field('list', { type: 'number', cardinality: 'zero_or_more' })]);
  const numbers = Array.from({ length: 500_000 }, (_, n) => n % 10);
  const nested = `${'['.repeat(60)}1${']'.repeat(60)}`;
  const nests = Array.from({ length: 8_000 }, () => nested).join(',');
  let round = 0;
  const { stalledMs, reasons } = await best(() => {
    round += 1;
    const deep = `{"source_id":"deep${round}","metadata":{"list":[${nests}]}}\n`;
    return upload('small', line(`r${round}`, { list: numbers }) + deep);
  });
  expect(reasons[0]).toBeNull();
  expect(reasons[1]).toContain('is not a number');
  expect(stalledMs).toBeLessThan(100);
});

test('a schema of 500 patterns at their limit is deployed without a stall', async () => {
  const fields = Array.from({ length: 500 }, (_, n) => field(`f${n}`, matching(`(?:[a-z]\\d?){660}${n}`)));
  const { ms } = await longestTurn(() => deployed('wide', fields));
  expect(ms).toBeLessThan(200);
});

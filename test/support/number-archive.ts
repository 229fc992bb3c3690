import { spawnSync } from 'node:child_process';
import type { Answer } from '@osa/core/api';
import {
  deployRequest,
  everything,
  type Received,
  type TestDaemon,
  testDaemon,
  uploaded,
} from './daemon-support.ts';
import { until } from './database/database.ts';
import { copyHooks } from './number-hooks.ts';

/** Whether this machine has Python, without which only the hook in JavaScript is tried. */
export const hasPython = spawnSync('python3', ['--version']).status === 0;

/** A daemon whose records are lists of numbers, which hooks in two languages copy. All is told as text, unparsed. */
export interface NumberArchive {
  readonly daemon: TestDaemon;
  /** Deploys the hooks with a config, which is JSON text. */
  deploy(config: string): Promise<Answer<'deploy'>>;
  /** Takes in records, each an id and its numbers as text, and waits for the end; the answer counts them by status. */
  ingest(records: readonly (readonly [id: string, numbers: readonly string[]])[]): Promise<Counts>;
  /** The reasons of the invalid records of the last ingestion. */
  reasons(): Promise<readonly string[]>;
  /** The metadata of a record as the batch holds it. */
  batchText(id: string): Promise<string | undefined>;
  /** The rows that the data route shows, by the id of the record. */
  rows(hook: keyof typeof copyHooks): Promise<ReadonlyMap<string, StoredRow>>;
  /** The text of each record's list that the data route shows, by the id of the record. */
  records(): Promise<ReadonlyMap<string, string>>;
  /** Posts JSON text. */
  send(path: string, body: string): Promise<Received>;
  /** An answer of the server. */
  text(path: string): Promise<string>;
  close(): Promise<void>;
}

export type Counts = Record<string, number>;

export interface StoredRow {
  readonly id: number;
  readonly srn: string;
  readonly text: string;
  /** The record's line of records.jsonl, as the hook read it, and its config.json. */
  readonly seen: string;
  readonly config: string;
}

const fields = [{ name: 'list', type: 'number', required: true, cardinality: 'one_or_more' }];
const schema = { id: 'number-record', version: '1.0.0', fields };

export async function numberArchive(
  config: string,
  names: readonly (keyof typeof copyHooks)[],
): Promise<NumberArchive> {
  const daemon = await testDaemon();
  const digests = new Map<string, string>();
  for (const name of names) {
    const { code, file } = copyHooks[name];
    digests.set(name, await uploaded(daemon, code, file));
  }
  const hooks = names.map((name) => ({
    name,
    feature: { cardinality: 'one', columns: copyHooks[name].columns },
    config: 'CONFIG',
    release: {
      runtime: 'directory',
      digest: digests.get(name),
      command: copyHooks[name].command,
      source_ref: 'git+https://example.org/repo@1',
    },
  }));
  const deploy = (text: string) => {
    const body = JSON.stringify({ ...deployRequest(hooks), schema }).replaceAll('"CONFIG"', text);
    return daemon.call('deploy', { body });
  };
  await deploy(config);
  const text = async (path: string) => {
    const headers = { authorization: await daemon.bearer(everything) };
    return (await daemon.send('GET', path, { headers })).text;
  };
  const database = daemon.database.open(daemon.database.ownerUrl);
  let last = '';
  return {
    daemon,
    deploy,
    text,
    async send(path, body) {
      const authorization = await daemon.bearer(everything);
      return daemon.send('POST', path, {
        headers: { authorization, 'content-type': 'application/json' },
        body,
      });
    },
    async ingest(records) {
      const lines = records.map(([id, numbers]) => {
        return `{"source_id":"${id}","metadata":{"list":[${numbers.join(',')}]}}\n`;
      });
      const { id } = await daemon.call('ingest', { params: { slug: 'tests' }, body: lines.join('') });
      last = id;
      let counts: Counts = {};
      await until(
        'the ingestion',
        async () => {
          const { status, invalid, unchanged, published, rejected, errored, reasons } = await daemon.call(
            'showIngestion',
            { params: { id } },
          );
          counts = { invalid, unchanged, published, rejected, errored };
          if (status === 'failed') throw new Error(`the ingestion failed: ${reasons.join('; ')}`);
          return status === 'completed';
        },
        120_000,
      );
      return counts;
    },
    async reasons() {
      const query = { status: 'invalid', limit: 1_000 };
      const { items } = await daemon.call('listIngestionRecords', { params: { id: last }, query });
      return items.map(({ reason }) => reason ?? '');
    },
    async batchText(id) {
      const [row] = await database.sql<{ text: string }[]>`
        select metadata::text as text from batch_records where source_id = ${id} order by id limit 1`;
      return row?.text;
    },
    async rows(hook) {
      const found = new Map<string, StoredRow>();
      for (const row of await objects(text, `/api/v1/data/number-record/${hook}`)) {
        const { id, record_srn: srn, seen, config: given } = JSON.parse(row);
        found.set(JSON.parse(seen).id, { id, srn, seen, config: given, text: row });
      }
      return found;
    },
    async records() {
      const sources = await database.sql<{ srn: string; id: string }[]>`
        select srn, source_id as id from published`;
      const idOf = new Map(sources.map(({ srn, id }) => [srn, id]));
      const found = await objects(text, '/api/v1/data/number-record/records');
      return new Map(
        found.map((record) => [
          idOf.get(JSON.parse(record).srn) ?? '',
          /"list":(\[[^\]]*\])/.exec(record)?.[1] ?? '',
        ]),
      );
    },
    async close() {
      await database.close();
      await daemon.close();
    },
  };
}

/** The text of each object that a data route lists, over all pages. */
async function objects(text: NumberArchive['text'], path: string): Promise<string[]> {
  const found: string[] = [];
  for (let cursor = ''; ; ) {
    const page = await text(`${path}?limit=1000${cursor}`);
    const list = /^\{"rows":\[(.*)\],"next_cursor"/s.exec(page)?.[1] ?? '';
    if (list !== '') found.push(...list.split(/(?<=\}),(?=\{"id":)/));
    const next: unknown = JSON.parse(page).next_cursor;
    if (next === null) return found;
    cursor = `&cursor=${encodeURIComponent(String(next))}`;
  }
}

import type { Answer } from '@osa/core/api';
import type { Problem } from '@osa/core/api/problem';
import {
  deployRequest,
  everything,
  type TestDaemon,
  testDaemon,
  uploaded,
} from '../support/daemon-support.ts';
import { until } from '../support/database/database.ts';

/** A daemon with records of every type of field, and rows of every type of column that copy them. */
export interface DataArchive {
  readonly daemon: TestDaemon;
  /** Takes records in and waits for the end; the answer counts them by status. */
  ingest(
    records: readonly (readonly [id: string, metadata: object | string])[],
  ): Promise<Answer<'showIngestion'>>;
  get(path: string): Promise<Read>;
  post(path: string, body: unknown): Promise<Read>;
  close(): Promise<void>;
}

export interface Read {
  readonly status: number;
  readonly problem: Problem | undefined;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  // The shape depends on the route.
  // biome-ignore lint/suspicious/noExplicitAny: tests look at it as they like
  readonly body: any;
}

const field = (name: string, type: string, more: object = {}) => ({
  name,
  type,
  required: false,
  cardinality: 'exactly_one',
  ...more,
});

export const sampleFields = [
  field('name', 'text', { required: true, description: 'Trade name' }),
  field('mass', 'number', { constraints: { type: 'number', unit: 'g' } }),
  field('grains', 'number', { constraints: { type: 'number', integer_only: true } }),
  field('cast_on', 'date'),
  field('is_alloy', 'boolean'),
  field('page', 'url'),
  field('tags', 'text', { cardinality: 'zero_or_more' }),
  field('readings', 'number', { cardinality: 'zero_or_more' }),
];

const column = (name: string, json_type: string, more: object = {}) => ({
  name,
  json_type,
  required: false,
  ...more,
});

export const probeColumns = [
  column('score', 'number', { unit: 'au', description: 'Fit score' }),
  column('n', 'integer'),
  column('label', 'string'),
  column('seen', 'string', { format: 'date-time' }),
  column('day', 'string', { format: 'date' }),
  column('uid', 'string', { format: 'uuid' }),
  column('flag', 'boolean'),
  column('list', 'array'),
  column('all', 'object'),
];

/** One row for each record; the metadata's digits are kept. */
const probe = `import { readFileSync, writeFileSync } from 'node:fs';
const digits = (_, value, { source }) => (typeof value === 'number' ? JSON.rawJSON(source) : value);
const lines = readFileSync(process.env.OSA_IN + '/records.jsonl', 'utf8').split('\\n').filter(Boolean);
const out = lines.map((line) => {
  const { id, metadata: m } = JSON.parse(line, digits);
  const day = /^\\d{4}-\\d\\d-\\d\\d/.exec(m.cast_on ?? '')?.[0] ?? null;
  const row = { score: m.mass === undefined ? null : JSON.rawJSON(String(Number(m.mass.rawJSON))), n: m.grains ?? null, label: m.name, seen: day && day + 'T12:00:00.5Z', day,
    uid: '018f6b1e-7c3a-7d2b-9c4e-5f60718293a4', flag: m.is_alloy ?? null, list: m.readings ?? null, all: m };
  return JSON.stringify({ id, features: [row] });
});
writeFileSync(process.env.OSA_OUT + '/features.jsonl', out.map((line) => line + '\\n').join(''));
`;

export async function dataArchive(changes: Parameters<typeof testDaemon>[0] = {}): Promise<DataArchive> {
  const daemon = await testDaemon(changes);
  await deploySamples(daemon, probe);
  const headers = async () => ({ authorization: await daemon.bearer(everything) });
  const read = async (received: ReturnType<TestDaemon['send']>): Promise<Read> => {
    const { status, problem, text, headers } = await received;
    const isJson =
      String(headers['content-type']).includes('json') && !String(headers['content-type']).includes('ndjson');
    return { status, problem, text, headers, body: isJson ? JSON.parse(text) : undefined };
  };
  return {
    daemon,
    async ingest(records) {
      const lines = records.map(([id, metadata]) => {
        const text = typeof metadata === 'string' ? metadata : JSON.stringify(metadata);
        return `{"source_id":${JSON.stringify(id)},"metadata":${text}}\n`;
      });
      const { id } = await daemon.call('ingest', { params: { slug: 'samples' }, body: lines.join('') });
      return ended(daemon, id);
    },
    get: async (path) => read(daemon.send('GET', `/api/v1/data${path}`, { headers: await headers() })),
    post: async (path, body) =>
      read(
        daemon.send('POST', `/api/v1/data${path}`, {
          headers: { ...(await headers()), 'content-type': 'application/json' },
          body: typeof body === 'string' ? body : JSON.stringify(body),
        }),
      ),
    close: () => daemon.close(),
  };
}

export async function ended(daemon: TestDaemon, id: string): Promise<Answer<'showIngestion'>> {
  let shown: Answer<'showIngestion'> | undefined;
  await until(
    'the ingestion',
    async () => {
      shown = await daemon.call('showIngestion', { params: { id } });
      if (shown.status === 'failed') throw new Error(shown.reasons.join('; '));
      return shown.status === 'completed';
    },
    120_000,
  );
  return shown as Answer<'showIngestion'>;
}

/** Deploys the convention `samples` with the hook `probe`, whose code is another release each time that it differs. */
export async function deploySamples(daemon: TestDaemon, code: string): Promise<void> {
  const digest = await uploaded(daemon, code);
  const hook = {
    name: 'probe',
    feature: { cardinality: 'one', columns: probeColumns },
    release: {
      runtime: 'directory',
      digest,
      command: [process.execPath, 'hook.mjs'],
      source_ref: 'git+https://example.org/repo@1',
    },
  };
  const schema = { id: 'sample', version: '1.0.0', fields: sampleFields };
  await daemon.call('deploy', {
    json: { ...deployRequest([hook]), slug: 'samples', title: 'Samples', license: 'CC-BY-4.0', schema },
  });
}

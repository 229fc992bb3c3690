import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Http, signedHttp } from '../../test/support/http.ts';
import { type Daemon, startDaemon } from '../../test/support/programs.ts';
import type { BenchDatabase } from '../database.ts';

/** Daemons of the built program on one database, each a process of its own. */
export interface Fleet {
  readonly daemons: readonly Daemon[];
  readonly http: Http;
  /** Where the first one runs, and the CLI finds it. */
  readonly directory: string;
  close(): Promise<void>;
}

export async function startFleet(
  place: BenchDatabase,
  { count = 1, args = [] }: { readonly count?: number; readonly args?: readonly string[] } = {},
): Promise<Fleet> {
  const root = await mkdtemp(join(tmpdir(), 'osa-bench-'));
  const daemons: Daemon[] = [];
  const directories = Array.from({ length: count }, (_, index) => join(root, `d${index}`));
  for (const directory of directories) {
    await mkdir(directory);
    const places = ['--database', place.appUrl, '--data', join(root, 'data')];
    daemons.push(await startDaemon(directory, ...places, ...args));
  }
  const [first] = daemons;
  const [directory] = directories;
  if (!first || !directory) throw new RangeError('a fleet has a daemon at least');
  return {
    daemons,
    directory,
    http: await signedHttp(first.url, directory),
    async close() {
      await Promise.all(daemons.map((daemon) => daemon.end('SIGTERM')));
      await rm(root, { recursive: true, force: true });
    },
  };
}

export const convention = 'bench-ways';

/** Answers each record with one row, and does nothing else. */
const trivialHook = `import { readFileSync, writeFileSync } from 'node:fs';
const lines = readFileSync(process.env.OSA_IN + '/records.jsonl', 'utf8').split('\\n').filter(Boolean);
const answer = (line) => JSON.stringify({ id: JSON.parse(line).id, features: [{ value: 1 }] }) + '\\n';
writeFileSync(process.env.OSA_OUT + '/features.jsonl', lines.map(answer).join(''));
`;

/** Deploys a convention with the trivial hook as a directory, which the process runner runs. */
export async function deployTrivial({ http, directory }: Fleet): Promise<void> {
  const source = join(directory, 'hook');
  await mkdir(source);
  await writeFile(join(source, 'hook.mjs'), trivialHook);
  const digest = await http.upload(source);
  const text = { cardinality: 'exactly_one', required: true };
  const json = {
    slug: convention,
    title: 'bench',
    description: 'A dataset for benchmarks',
    schema: {
      id: convention,
      version: '1.0.0',
      fields: [
        { name: 'value', type: 'number', ...text },
        { name: 'title', type: 'text', ...text },
        { name: 'place', type: 'text', ...text },
      ],
    },
    file_requirements: { accepted_types: [], max_count: 0 },
    hooks: [
      {
        name: 'trivial',
        feature: { cardinality: 'one', columns: [{ name: 'value', json_type: 'number', required: true }] },
        config: {},
        release: {
          runtime: 'directory',
          digest,
          command: ['node', 'hook.mjs'],
          source_ref: 'git+https://example.org@1',
        },
      },
    ],
  };
  const { status, text: answer } = await http.send('POST', '/api/v1/conventions', { json });
  if (status !== 201 && status !== 200) throw new Error(`the deploy was answered with ${status}: ${answer}`);
}

/** Records as small as the ones that archives have most, one JSON line each. */
export function ndjson(prefix: string, count: number): string {
  const line = (index: number) => {
    const metadata = { value: index, title: `Event ${index}`, place: 'somewhere off the coast' };
    return `${JSON.stringify({ source_id: `${prefix}-${String(index).padStart(7, '0')}`, metadata })}\n`;
  };
  return Array.from({ length: count }, (_, index) => line(index)).join('');
}

/** Uploads records; gives the id of the ingestion. */
export async function upload({ http }: Fleet, body: string, batchSize = 1_000): Promise<string> {
  const target = `/api/v1/conventions/${convention}/ingestions?batch_size=${batchSize}`;
  const headers = { 'content-type': 'application/x-ndjson' };
  const { status, text, json } = await http.send('POST', target, { headers, body });
  if (status >= 300) throw new Error(`the upload was answered with ${status}: ${text}`);
  return (json as { id: string }).id;
}

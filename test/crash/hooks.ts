import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { packDirectory } from '@osa/core/hook/pack';

/** The three hooks of the workload. `alpha` gives one row a record, `beta` none to three, `gamma` comes and goes. */
export const hookNames = ['alpha', 'beta', 'gamma'] as const;
export type HookName = (typeof hookNames)[number];

export interface Row {
  readonly ordinal: number;
  /** What the code that computed the row says of itself: the oracle. */
  readonly oracle: string;
  readonly source: string;
  readonly value: number;
}

/** The rows that the code with this token makes of a record; undefined when it rejects it. */
export function expectedRows(hook: string, oracle: string, source: string, value: number): Row[] | undefined {
  if (hook === 'beta' && value < 0) return undefined;
  const count = hook === 'beta' ? value % 4 : 1;
  return Array.from({ length: count }, (_, ordinal) => ({
    ordinal,
    oracle,
    source,
    value: value * 10 + ordinal,
  }));
}

export function featureOf(hook: HookName): object {
  const columns = [
    { name: 'oracle', json_type: 'string', required: true },
    { name: 'source', json_type: 'string', required: true },
    { name: 'value', json_type: 'integer', required: true },
  ];
  return { cardinality: hook === 'beta' ? 'many' : 'one', columns };
}

/**
 * The code of one release. It holds its own token as a constant. It is connected to the harness for as long as it
 * lives; half-way through its output, in the middle of a line, it asks how to go on.
 */
function codeOf(hook: HookName, token: string, socket: string): string {
  return `import { appendFileSync, readFileSync } from 'node:fs';
import { createConnection } from 'node:net';
const oracle = ${JSON.stringify(token)};
const rowsOf = (source, value) => {
  ${hook === 'beta' ? 'if (value < 0) return undefined;' : ''}
  const count = ${hook === 'beta' ? 'value % 4' : '1'};
  return Array.from({ length: count }, (_, n) => ({ oracle, source, value: value * 10 + n }));
};
const socket = createConnection(${JSON.stringify(socket)});
const tell = (what) => socket.write(JSON.stringify(what) + '\\n');
const answered = new Promise((resolve) => socket.once('data', (answer) => resolve(String(answer).trim())));
// When the harness has gone, nobody waits for this any more.
for (const gone of ['error', 'end']) socket.once(gone, () => process.exit(4));
tell({ pid: process.pid, place: process.env.TMPDIR + '/' });
let features = '';
let rejections = '';
for (const line of readFileSync(process.env.OSA_IN + '/records.jsonl', 'utf8').split('\\n').filter(Boolean)) {
  const { id, metadata } = JSON.parse(line);
  const rows = rowsOf(id, metadata.value);
  if (rows) features += JSON.stringify({ id, features: rows }) + '\\n';
  else rejections += JSON.stringify({ id, reason: 'negative' }) + '\\n';
}
const write = (name, text) => { if (text) appendFileSync(process.env.OSA_OUT + '/' + name, text); };
const half = Math.floor(features.length / 2);
write('features.jsonl', features.slice(0, half));
tell('mid-output');
const order = await answered;
if (order === 'exit') process.exit(3);
if (order === 'exit-zero') process.exit(0);
write('features.jsonl', features.slice(half));
write('rejections.jsonl', rejections);
process.exit(0);
`;
}

export interface Packed {
  readonly token: string;
  /** `sha256:…` */
  readonly digest: string;
  /** The name of the image; without one it is a directory. */
  readonly image?: string;
  /** What is uploaded of a directory. */
  readonly bytes: Buffer | undefined;
}

export async function packHook(
  directory: string,
  hook: HookName,
  token: string,
  socket: string,
): Promise<Packed> {
  const place = join(directory, token);
  await mkdir(place, { recursive: true });
  await writeFile(join(place, 'hook.mjs'), codeOf(hook, token, socket));
  const { digest, open } = await packDirectory(place);
  return { token, digest, bytes: await buffer(open()) };
}

import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { parse } from 'yaml';
import { z } from 'zod';

/**
 * Runs a hook's code over records, without a server: in a place of its own below `scratch`, with the files and the
 * environment that every hook gets. Rejects with the hook's standard error when it fails, as on a config that it
 * does not know.
 */
export async function runHook(hook: string, { records, config, scratch }: HookInput): Promise<Output> {
  const place = await mkdtemp(join(scratch, `${hook}-`));
  const [input, output] = [join(place, 'in'), join(place, 'out')];
  await Promise.all([mkdir(input), mkdir(output)]);
  const lines = records.map(({ source_id, metadata }) => ({ id: source_id, metadata, size_hint_mb: 0 }));
  await writeFile(join(input, 'records.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  await writeFile(join(input, 'config.json'), JSON.stringify(config));
  await execa(process.execPath, ['hook.mjs'], {
    cwd: join(import.meta.dirname, 'hooks', hook),
    env: { OSA_IN: input, OSA_OUT: output, OSA_FILES: join(place, 'files'), OSA_HOOK_NAME: hook },
    extendEnv: false,
    timeout: 30_000,
  });
  return {
    rows: await readOutput(join(output, 'features.jsonl'), 'features', z.array(Row)),
    rejections: await readOutput(join(output, 'rejections.jsonl'), 'reason', z.string()),
    errors: await readOutput(join(output, 'errors.jsonl'), 'error', z.string()),
  };
}

export interface HookInput {
  readonly records: readonly RecordLine[];
  readonly config: object;
  readonly scratch: string;
}

/** What the hook made of each record, by record id. */
export interface Output {
  readonly rows: ReadonlyMap<string, readonly Row[]>;
  readonly rejections: ReadonlyMap<string, string>;
  readonly errors: ReadonlyMap<string, string>;
}

const Row = z.record(z.string(), z.unknown());
export type Row = z.infer<typeof Row>;

const RecordLine = z.strictObject({ source_id: z.string(), metadata: Row });
export type RecordLine = z.infer<typeof RecordLine>;

const Field = z.object({
  name: z.string(),
  type: z.enum(['text', 'number', 'date', 'boolean', 'url']),
  required: z.boolean(),
  cardinality: z.enum(['exactly_one', 'one_or_more']).default('exactly_one'),
  constraints: z
    .object({
      pattern: z.string(),
      min_length: z.number(),
      max_length: z.number(),
      min_value: z.number(),
      max_value: z.number(),
      integer_only: z.boolean(),
    })
    .partial()
    .default({}),
});
type Field = z.infer<typeof Field>;

const Column = z.object({
  name: z.string(),
  json_type: z.enum(['string', 'number', 'integer']),
  required: z.boolean(),
});
type Column = z.infer<typeof Column>;

const Feature = z.object({ cardinality: z.enum(['one', 'many']), columns: z.array(Column) });
const Convention = z.object({
  schema: z.object({ fields: z.array(Field) }),
  hooks: z.array(z.object({ name: z.string(), feature: Feature })),
});
export type Convention = z.infer<typeof Convention>;

/** The part of `convention.yaml` that says what records and rows must keep. */
export async function readConvention(): Promise<Convention> {
  return Convention.parse(parse(await readFile(join(import.meta.dirname, 'convention.yaml'), 'utf8')));
}

export function readRecords(ndjson: string): RecordLine[] {
  return ndjson
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => RecordLine.parse(JSON.parse(line)));
}

/** What is wrong with a record's metadata under the schema; empty when nothing is. */
export function schemaProblems({ schema }: Convention, metadata: Row): string[] {
  const unknown = Object.keys(metadata).filter((name) => !schema.fields.some((field) => field.name === name));
  const wrong = schema.fields.filter((field) => {
    const value = metadata[field.name];
    if (value === undefined) return field.required;
    if (field.cardinality === 'exactly_one') return !fits(field, value);
    return !(Array.isArray(value) && value.length > 0 && value.every((item) => fits(field, item)));
  });
  return [...unknown, ...wrong.map(({ name }) => `${name}: ${JSON.stringify(metadata[name])}`)];
}

/** What is wrong with a hook's rows under its feature contract; empty when nothing is. */
export function contractProblems({ hooks }: Convention, name: string, { rows }: Output): string[] {
  const feature = hooks.find((hook) => hook.name === name)?.feature;
  if (!feature) return [`${name} is not declared`];
  return [...rows].flatMap(([id, list]) => {
    const count = feature.cardinality === 'one' && list.length !== 1 ? [`${list.length} rows`] : [];
    const problems = [...count, ...list.flatMap((row) => rowProblems(feature.columns, row))];
    return problems.map((problem) => `${id}: ${problem}`);
  });
}

function fits({ type, constraints }: Field, value: unknown): boolean {
  if (type === 'boolean') return typeof value === 'boolean';
  if (type === 'number') return typeof value === 'number' && numberFits(constraints, value);
  if (typeof value !== 'string') return false;
  if (type === 'date') return z.iso.datetime({ offset: true }).safeParse(value).success;
  if (type === 'url' && !URL.canParse(value)) return false;
  const { pattern = '', min_length = 0, max_length = Infinity } = constraints;
  return new RegExp(pattern, 'u').test(value) && value.length >= min_length && value.length <= max_length;
}

function numberFits(constraints: Field['constraints'], value: number): boolean {
  const { min_value = -Infinity, max_value = Infinity, integer_only = false } = constraints;
  const isKind = integer_only ? Number.isInteger(value) : Number.isFinite(value);
  return isKind && value >= min_value && value <= max_value;
}

function rowProblems(columns: readonly Column[], row: Row): string[] {
  const extra = Object.keys(row).filter((name) => !columns.some((column) => column.name === name));
  const wrong = columns.filter(({ name, json_type, required }) => {
    const value = row[name];
    if (value === undefined || value === null) return required;
    if (json_type === 'integer') return !Number.isSafeInteger(value);
    if (json_type === 'number') return !Number.isFinite(value);
    return typeof value !== 'string';
  });
  return [...extra, ...wrong.map(({ name }) => name)];
}

/** By record id. A file that is not there holds nothing: a hook need not write what it has no use for. */
async function readOutput<T>(path: string, key: string, value: z.ZodType<T>): Promise<Map<string, T>> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  const read = new Map<string, T>();
  for (const line of text.split('\n').filter((text) => text !== '')) {
    const outcome = Row.parse(JSON.parse(line));
    const id = z.string().parse(outcome.id);
    if (read.has(id)) throw new Error(`${path}: record ${id} stands twice`);
    read.set(id, value.parse(outcome[key]));
  }
  return read;
}

import { existsSync } from 'node:fs';
import { readdir, rename, rm, rmdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { rowTable, type TableColumn } from '@osa/core/data/table';
import { OsaError } from '@osa/core/error';
import { type Context, defineCommand } from '../../../command.ts';
import { bytes, count, counted } from '../../../terminal/format.ts';
import { type Line, line, red } from '../../../terminal/paint.ts';
import { text } from '../../../terminal/parse.ts';
import { progressLines } from '../../../terminal/ui/running-view.ts';
import { outPlace, unwritable } from '../../out-place.ts';
import { download } from '../download.ts';
import { describedRecords, type ReadPage } from '../query.ts';
import { recalledNote } from '../recalled.ts';
import { otherRecords } from '../schema-rows.ts';
import { progressOf } from '../show.ts';
import {
  dataPackage,
  type Export,
  type ExportedRecall,
  type ExportedRelease,
  type ExportedRun,
  type ExportedTable,
  roCrate,
} from './package.ts';
import { begun, keepProgress, removeProgress } from './progress.ts';
import { directoryFiles, type Verified, verifyExport, writeDescriptions } from './verify.ts';
import { packZip, zipFiles } from './zip.ts';

export const exportCommand = defineCommand({
  description:
    'Saves a convention as a directory, or as one zip file, that can be cited and kept: its records at the schema version that it has now, the rows of its hooks, their columns and units ' +
    'as a Data Package, and where the rows come from as an RO-Crate. All of it is as of one moment. An export that was ' +
    'interrupted goes on when the command is repeated. --verify checks such a directory or file without a server.',
  arguments: { convention: { description: "the convention's slug", optional: true } },
  options: {
    out: {
      value: 'PATH',
      description: 'the directory to make, or a file whose name ends in .zip',
      parse: text(4_000),
    },
    format: { value: 'FORMAT', description: 'csv or parquet (default: csv)', parse: formatNamed },
    verify: {
      value: 'PATH',
      description: 'check the files of an export, a directory or a zip file, by their checksums',
      parse: text(4_000),
    },
  },
  examples: [
    ['osa export usgs-earthquakes --out quakes', 'all of it as CSV'],
    ['osa export usgs-earthquakes --out quakes.zip --format parquet', 'as Parquet, in one file'],
    ['osa export --verify quakes', 'whether its files are as they were written'],
  ],
  json: '{"directory" or "file", "as_of", "tables": [{"name", "path", "rows", "bytes", "sha256"}]}; with --verify {"files", "missing", "changed", "unknown"}',
  async run(context, { arguments: { convention }, options: { out, format = 'csv', verify } }) {
    if (verify !== undefined) return showVerified(context, verify);
    if (convention === undefined || out === undefined) {
      throw new OsaError('usage', 'name a convention and --out PATH, or --verify PATH', {
        field: 'convention',
      });
    }
    const path = resolve(context.sources.cwd, out);
    const target = await outPlace({ path, shown: out, kind: isZip(out) ? 'file' : 'directory' });
    try {
      await requireFree(target, out);
      const part = `${target}.part`;
      const made = await exportTo(context, { slug: convention, part, format });
      if (isZip(out)) {
        const at = new Date(made.as_of);
        const { say } = progressLines(context.output);
        const onWritten = (size: number) => say(`packing: ${bytes(size)} written`);
        await packZip({ directory: part, target, paths: made.paths, at, signal: context.signal, onWritten });
      } else {
        await removeProgress(part);
        await rmdir(target).catch(() => undefined);
        await rename(part, target);
      }
      const place = isZip(out) ? { file: out } : { directory: out };
      context.output.result({ ...place, as_of: made.as_of, tables: made.tables.map(shownTable) }, [
        `${out}: convention ${convention} as of ${made.as_of}`,
        ...made.tables.map(
          (table) => `  ${table.path}: ${counted(table.rows, 'row')}, ${bytes(table.bytes)}`,
        ),
      ]);
      context.output.note(...made.leftOut);
    } catch (error) {
      throw unwritable(out, error);
    }
    return undefined;
  },
});

type Format = 'csv' | 'parquet';

function formatNamed(given: string): Format {
  if (given === 'csv' || given === 'parquet') return given;
  throw new OsaError('usage', 'It must be csv or parquet.');
}

function shownTable({ name, path, rows, bytes: size, sha256 }: ExportedTable) {
  return { name, path, rows, bytes: size, sha256 };
}

async function requireFree(target: string, out: string): Promise<void> {
  if (isZip(out)) {
    if (!existsSync(target)) return;
    throw new OsaError('usage', `--out ${out}: the file is there already; name a new one`, {
      field: '--out',
    });
  }
  const entries = await readdir(target).catch(() => []);
  if (entries.length === 0) return;
  throw new OsaError('usage', `--out ${out}: the directory is not empty; name a new one`, { field: '--out' });
}

const isZip = (path: string) => path.toLowerCase().endsWith('.zip');

async function showVerified(
  { output, sources, signal }: Context,
  given: string,
): Promise<number | undefined> {
  const path = resolve(sources.cwd, given);
  await using zip = isZip(path) ? await zipFiles(path, signal) : undefined;
  const found = await verifyExport(zip ?? directoryFiles(path, signal));
  const problems = (['missing', 'changed', 'unknown'] as const).flatMap((kind) =>
    found[kind].map((path) => line`${red(kind)} ${path}`),
  );
  output.result(found, problems.length > 0 ? problems : [`all right: ${counted(found.files, 'file')}`]);
  return isRight(found) ? undefined : 1;
}

function isRight({ missing, changed, unknown }: Verified): boolean {
  return missing.length + changed.length + unknown.length === 0;
}

interface Made extends Export {
  readonly paths: readonly string[];
  /** Lines about records that are not in it. */
  readonly leftOut: readonly Line[];
}

async function exportTo(
  context: Context,
  { slug, part, format }: { readonly slug: string; readonly part: string; readonly format: Format },
): Promise<Made> {
  const client = context.client();
  const convention = await client.call('showConvention', { params: { slug } });
  const schema = `${convention.schema_id.id}@${convention.schema_id.version}`;
  const identity = JSON.stringify([client.server.url, slug, schema, convention.hooks, format]);
  for (const name of convention.hooks) requireName(name);
  let progress = await begun(part, identity, context.signal);
  for (const name of ['records', ...convention.hooks]) {
    if (progress.tables.some((table) => table.name === name)) continue;
    const made = await saveTable(context, { slug, schema, name, part, format, as_of: progress.as_of });
    progress = { identity, as_of: made.as_of, tables: [...progress.tables, made.table] };
    await keepProgress(part, progress);
  }
  const { tables, as_of = '' } = progress;
  const releases = await releasesOf(context, tables);
  const recalls = await recallsOf(context, slug);
  const made = { server: client.server.url, convention, schema, as_of, tables, releases, recalls };
  const paths = await writeDescriptions(part, tables, {
    'datapackage.json': `${JSON.stringify(dataPackage(made), null, 2)}\n`,
    'ro-crate-metadata.json': `${JSON.stringify(roCrate(made), null, 2)}\n`,
  });
  const { others } = await describedRecords(client, { schema, convention: slug });
  return { ...made, paths, leftOut: await otherRecords(client, { others, convention: slug }) };
}

/** A name becomes a path here, so that of a strange server must not lead elsewhere. @throws OsaError `internal` */
function requireName(name: string): void {
  if (/^[a-z][a-z0-9_]{0,39}$/.test(name)) return;
  throw new OsaError('internal', `the server names a hook ${JSON.stringify(name)}, which is not a name`);
}

interface Saving {
  readonly slug: string;
  readonly schema: string;
  readonly name: string;
  readonly part: string;
  readonly format: Format;
  readonly as_of: string | undefined;
}

async function saveTable(
  context: Context,
  { slug, schema, name, part, format, as_of }: Saving,
): Promise<{ table: ExportedTable; as_of: string }> {
  const client = context.client();
  const columns = await columnsOf(context, { slug, schema, name });
  const query = { convention: slug, history: 'false' as const, ...(as_of !== undefined && { as_of }) };
  const runs = new Map<string, ExportedRun>();
  const read: ReadPage = async ({ cursor, limit }) => {
    const given = { ...query, limit, ...(cursor !== undefined && { cursor }) };
    if (name === 'records') return client.call('readRecords', { params: { schema }, query: given });
    const page = await client.call('readRows', { params: { schema, feature: name }, query: given });
    for (const { run_id: id, release, created_at } of page.rows) {
      if (!runs.has(id)) runs.set(id, { id, release, finished_at: created_at ?? page.as_of });
    }
    return page;
  };
  const path = `data/${name}.${format}`;
  const file = join(part, path);
  // The runs of rows are collected as the rows come, so their table begins anew.
  if (name !== 'records') await rm(`${file}.part.json`, { force: true });
  const say = progressOf((shown) => context.output.note(`${name}: ${shown}`));
  const { signal } = context;
  const identity = [client.server.url, schema, name, query];
  const limit = Number.POSITIVE_INFINITY;
  const made = await download({
    path: file,
    format,
    columns,
    read,
    identity,
    limit,
    signal,
    onProgress: say,
  });
  context.output.note(`${name}: ${count(made.rows)} rows, complete`);
  const { rows, bytes: size, sha256 } = made;
  const table = { name, path, format, columns, rows, bytes: size, sha256, runs: [...runs.values()] };
  return { table, as_of: as_of ?? made.as_of ?? '' };
}

async function columnsOf(
  context: Context,
  { slug, schema, name }: Pick<Saving, 'slug' | 'schema' | 'name'>,
): Promise<readonly TableColumn[]> {
  const client = context.client();
  if (name === 'records') {
    return (await describedRecords(client, { schema, convention: slug })).columns;
  }
  const { feature } = await client.call('showHook', { params: { name } });
  const contract = feature as unknown as Parameters<typeof rowTable>[1];
  return rowTable(name, contract, { history: false, provenance: false }).columns;
}

/** The notices on rows and records of a convention; a reader of the export must not miss them. */
async function recallsOf({ client, output }: Context, convention: string): Promise<ExportedRecall[]> {
  const server = client();
  const recalls: ExportedRecall[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await server.call('listRecalls', {
      query: { status: 'open', convention, ...(cursor !== undefined && { cursor }) },
    });
    for (const { id, fact, asked, reason, advice, opened_at } of page.items) {
      recalls.push({ id, fact, asked, reason, advice, opened_at });
      output.note(recalledNote(id, reason));
    }
    if (page.next_cursor === null) return recalls;
    cursor = page.next_cursor;
  }
}

/** The releases that the rows name. */
async function releasesOf(context: Context, tables: readonly ExportedTable[]): Promise<ExportedRelease[]> {
  const client = context.client();
  const releases: ExportedRelease[] = [];
  for (const { name, runs } of tables) {
    for (const version of new Set(runs.map(({ release }) => release))) {
      const { digest, source_ref, built_at } = await client.call('showRelease', {
        params: { name, version },
      });
      releases.push({ hook: name, version, digest, source_ref, built_at });
    }
  }
  return releases;
}

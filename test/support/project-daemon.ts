import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from '@osa/core/postgres/connection/connect';
import { findEmbedded, removeEmbedded } from '@osa/core/postgres/embedded/embedded';
import { expect } from 'vitest';
import { scratch } from './database/database.ts';
import { type Http, signedHttp } from './http.ts';
import { type Daemon, osa, startDaemon } from './programs.ts';

/** One `osad --dev` for a test file, with projects in directories below its own, where the CLI finds it. */
export interface ProjectDaemon {
  readonly directory: string;
  readonly daemon: Daemon;
  readonly http: Http;
  /** An empty directory. */
  project(): Promise<string>;
  /** All that a write can leave behind, counted in the database itself, and the feature tables by name. */
  stored(): Promise<Readonly<Record<string, unknown>>>;
  /** Runs `act`, after which the database must be as it was. */
  changingNothing<T>(act: () => Promise<T>): Promise<T>;
  /** Ends the daemon, which must have survived without a stack trace. */
  close(): Promise<void>;
}

export const stackTrace = /\n\s+at .*[:(]/;

/** `settings` are those of its file, as YAML. */
export async function startProjectDaemon(settings = ''): Promise<ProjectDaemon> {
  const scene = await scratch();
  const directory = scene.path;
  const file = join(directory, 'osad.yaml');
  await writeFile(file, settings);
  const daemon = await startDaemon(directory, ...(settings === '' ? [] : ['--config', file]));
  const http = await signedHttp(daemon.url, directory);
  const database = await openDatabase(directory);
  const stored = () => database.count();
  return {
    directory,
    daemon,
    http,
    project: async () => {
      await mkdir(join(directory, 'projects'), { recursive: true });
      return mkdtemp(join(directory, 'projects', 'p-'));
    },
    stored,
    async changingNothing(act) {
      const before = await stored();
      const result = await act();
      expect(await stored()).toEqual(before);
      return result;
    },
    async close() {
      await database.close();
      const alive = daemon.process.exitCode === null;
      const code = await daemon.end('SIGTERM');
      await removeEmbedded(join(directory, '.osa'));
      await scene.dispose();
      expect([alive, code]).toEqual([true, 0]);
      expect(daemon.output()).not.toMatch(stackTrace);
    },
  };
}

export interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly field: string | null;
  // biome-ignore lint/suspicious/noExplicitAny: facts of any shape, which each test looks into
  readonly details: any;
}

interface Expected {
  readonly exit: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a command that must be refused, as a program calls it: the error is one JSON object on stdout. */
export async function refused(cwd: string, args: readonly string[], expected: Expected): Promise<Refusal> {
  const { exitCode, stdout, stderr } = await osa(cwd, [...args, '--json'], expected.env);
  expect(exitCode, stdout + stderr).toBe(expected.exit);
  expect(stdout + stderr).not.toMatch(stackTrace);
  const { error } = JSON.parse(stdout);
  expect(error.message.length).toBeGreaterThan(10);
  return error;
}

/** The same as a person types it: the answer is what stands on stderr. */
export async function refusedPlainly(
  cwd: string,
  args: readonly string[],
  expected: Expected,
): Promise<string> {
  const { exitCode, stdout, stderr } = await osa(cwd, args, expected.env);
  expect([exitCode, stdout], stderr).toEqual([expected.exit, '']);
  expect(stderr).not.toMatch(stackTrace);
  return stderr;
}

/** Replaces a part of a project's convention.yaml, which must be there; the answer is the new text. */
export async function editConvention(place: string, from: string | RegExp, to: string): Promise<string> {
  const file = join(place, 'convention.yaml');
  const text = await readFile(file, 'utf8');
  const edited = text.replace(from, () => to);
  expect(edited).not.toBe(text);
  await writeFile(file, edited);
  return edited;
}

async function openDatabase(directory: string) {
  const server = await findEmbedded(join(directory, '.osa'));
  if (!server) throw new Error(`no PostgreSQL runs for ${directory}`);
  const pool = connect({
    url: { ...server.connection, database: 'osa' },
    max: 1,
    applicationName: 'osa tests',
  });
  const count = async () => {
    const [counts] = await pool.sql<Record<string, unknown>[]>`
      select
        (select count(*) from schemas) as schemas, (select count(*) from conventions) as conventions,
        (select count(*) from convention_hooks) as convention_hooks, (select count(*) from hooks) as hooks,
        (select count(*) from releases) as releases, (select count(*) from live_changes) as live_changes,
        (select count(*) from deploys) as deploys, (select count(*) from ingestions) as ingestions,
        (select count(*) from batches) as batches, (select count(*) from batch_records) as batch_records,
        (select count(*) from records) as records, (select count(*) from sources) as sources,
        (select count(*) from events) as events,
        (select coalesce(array_agg(tablename::text order by tablename), '{}') from pg_tables
          where schemaname = 'features') as tables`;
    return counts ?? {};
  };
  return { count, close: () => pool.close() };
}

import { execFile } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { chmod, mkdir, realpath, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { OsaError } from '../../error.ts';
import { failpoint } from '../../failpoint.ts';
import type { RecordFile } from '../../file/file.ts';
import { flawOfName } from '../../file/name.ts';
import { canonicalJson } from '../../json/canonical.ts';
import type { InputRecord, Task } from '../../run/runner.ts';
import { makeDirectories } from '../../storage/make-directories.ts';
import { systemEnvironment } from '../../system/environment.ts';

/** The places of one attempt, as absolute paths without symbolic links. `root` is the daemon's own (0700). */
export interface AttemptDirectory {
  readonly root: string;
  /** The hook's code. */
  readonly code: string;
  /** `records.jsonl` and `config.json`. */
  readonly input: string;
  readonly output: string;
  /** The records' files: a directory for each record that has any, named as its id. */
  readonly files: string;
  readonly temporary: string;
}

const writeBytes = 256 * 1024;
const recordsFile = 'records.jsonl';

/**
 * Makes the directory of an attempt and writes its input. Only the task's id becomes a part of a path.
 *
 * @throws OsaError `invalid` for a task id that is not a plain name.
 */
export async function stage(task: Task): Promise<AttemptDirectory> {
  if (!isAttemptName(task.id)) {
    throw new OsaError(
      'invalid',
      `A task's id must be 1 to 100 letters, digits, "_" or "-", not ${JSON.stringify(task.id)}`,
      { field: 'id' },
    );
  }
  await makeDirectories(task.workspace, 0o700);
  const attempt = placesOf(join(await realpath(task.workspace), task.id));
  await mkdir(attempt.root, { mode: 0o700 });
  try {
    const { code, input, output, files, temporary } = attempt;
    for (const directory of [code, input, output, files, temporary]) await mkdir(directory);
    await writeInput(task, input);
    await linkFiles(task, files);
    await failpoint('stage.after');
    return attempt;
  } catch (error) {
    await removeTree(attempt.root);
    throw error;
  }
}

/** Whether a directory may be called so: the ids of tasks are the names of their directories. */
export function isAttemptName(name: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$/.test(name);
}

/** Removes all that an attempt left, beginning with what it was given. */
export async function removeAttempt({ root, input }: AttemptDirectory): Promise<void> {
  // If one file cannot be removed, neither can the tree, whose removal reports it.
  await rm(join(input, recordsFile), { force: true }).catch(() => undefined);
  await failpoint('cleanup.mid');
  await removeTree(root);
}

/** Removes a directory whatever a hook made of it: locked directories and paths longer than the system takes. */
export async function removeTree(directory: string): Promise<void> {
  // The program, not Node's `rm`: that one fails at paths that are too long, and then goes on in the background.
  const run = (program: string, args: readonly string[]) =>
    promisify(execFile)(program, args, { env: systemEnvironment });
  try {
    await run('rm', ['-rf', '--', directory]);
  } catch {
    // Unlocks directories that the code has locked; the second try reports anything else.
    await run('chmod', ['-R', 'u+rwX', '--', directory]);
    await run('rm', ['-rf', '--', directory]);
  }
}

function placesOf(root: string): AttemptDirectory {
  return {
    root,
    code: join(root, 'code'),
    input: join(root, 'in'),
    output: join(root, 'out'),
    files: join(root, 'files'),
    temporary: join(root, 'tmp'),
  };
}

async function writeInput(task: Task, directory: string): Promise<void> {
  const { records } = task;
  const file = join(directory, recordsFile);
  const half = Math.ceil(records.length / 2);
  await appendRecords(file, records.slice(0, half));
  await failpoint('stage.partial');
  await appendRecords(file, records.slice(half));
  await writeFile(join(directory, 'config.json'), canonicalJson(task.release.config));
}

/** @throws OsaError `unavailable` for bytes that are gone or damaged */
async function linkFiles({ records, linkFile }: Task, directory: string): Promise<void> {
  for (const { id, files = [] } of records) {
    if (files.length === 0) continue;
    if (linkFile === undefined)
      throw new OsaError('internal', `record ${id} has files, and nothing gives them`);
    const flaw = [id, ...files.map(({ name }) => name)].map(flawOfName).find((found) => found !== undefined);
    if (flaw !== undefined) throw new OsaError('internal', `a name of a record with files ${flaw}`);
    const place = join(directory, id);
    await mkdir(place);
    for (const { name, sha256 } of files) await linkFile(sha256, join(place, name));
    // Readable for the user that the code runs as, whatever the daemon's own mask is.
    await chmod(place, 0o755);
  }
}

async function appendRecords(file: string, records: readonly InputRecord[]): Promise<void> {
  await pipeline(Readable.from(recordLines(records)), createWriteStream(file, { flags: 'a' }));
}

/**
 * The metadata's text is inserted without parsing, so that no number loses a digit. U+0085, U+2028 and U+2029 are escaped:
 * JSON allows them in a string, but common readers (`node:readline`, Python's `splitlines`) end a line there.
 */
function* recordLines(records: readonly InputRecord[]): Generator<Buffer> {
  let text = '';
  for (const { id, metadata, files = [] } of records) {
    const size = sizeHint(files);
    text += `{"id":${oneLine(JSON.stringify(id))},"metadata":${oneLine(metadata)},"size_hint_mb":${size}}\n`;
    if (text.length < writeBytes) continue;
    yield Buffer.from(text);
    text = '';
  }
  yield Buffer.from(text);
}

/** Mebibytes of a record's files, rounded up to a thousandth. */
function sizeHint(files: readonly RecordFile[]): number {
  return Math.ceil((files.reduce((sum, { size }) => sum + size, 0) / 2 ** 20) * 1_000) / 1_000;
}

const lineEnds = /[\u0085\u2028\u2029]/g;
const oneLine = (json: string) =>
  json.replace(lineEnds, (end) => `\\u${end.charCodeAt(0).toString(16).padStart(4, '0')}`);

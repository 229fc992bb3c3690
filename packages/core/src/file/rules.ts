import type { FileRequirements } from '../convention/convention.ts';
import { isJsonObject } from '../json/raw.ts';
import { bounds } from '../limits.ts';
import { excerpt } from '../text.ts';
import type { RecordFile, StoredFile } from './file.ts';
import { flawOfName, flawOfNewName, sameNames } from './name.ts';
import { flawOfType } from './signature.ts';

/** The files that a record names, or why they cannot be used. */
export type NamedFiles =
  | { readonly files: readonly RecordFile[]; readonly problem?: undefined }
  | { readonly problem: string };

/** Reads the member `files` of a record: a list of `{"name", "sha256", "size"}`. */
export function readFiles(value: unknown): NamedFiles {
  if (value === undefined || value === null) return { files: [] };
  if (!Array.isArray(value)) return { problem: 'files is not a list' };
  if (value.length > bounds.filesPerRecord) {
    return { problem: `files: ${value.length} files, and a record has ${bounds.filesPerRecord} at most` };
  }
  const files: RecordFile[] = [];
  for (const [index, item] of value.entries()) {
    const file = readFile(item);
    if (typeof file === 'string') return { problem: `files[${index}] ${file}` };
    files.push(file);
  }
  const twins = sameNames(files.map(({ name }) => name));
  if (twins === undefined) return { files };
  const [first, second] = twins.map((name) => JSON.stringify(name));
  const twice =
    first === second
      ? `two have the name ${first}`
      : `${first} and ${second} are the same name on some systems`;
  return { problem: `files: ${twice}; rename one` };
}

function readFile(item: unknown): RecordFile | string {
  if (!isJsonObject(item)) return 'is not an object {"name", "sha256", "size"}';
  const { name, sha256, size, ...others } = item;
  if (typeof name !== 'string') return 'has no name';
  const flaw = flawOfNewName(name);
  if (flaw !== undefined) return `has the name ${excerpt(name)}, which ${flaw}`;
  if (typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256)) {
    return `(${excerpt(name)}) has no sha256 of 64 lower-case hexadecimal digits; osa ingest uploads files and fills it in`;
  }
  const bytes = Number(size);
  if (!Number.isSafeInteger(bytes) || bytes < 0) return `(${excerpt(name)}) has no size in bytes`;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) return `(${excerpt(name)}) has an unknown member ${excerpt(unknown)}`;
  return { name, sha256, size: bytes };
}

/** The first breach of a convention's rules for the files of a record, except those that need the stored bytes. */
export function problemOfFiles(
  sourceId: string,
  files: readonly RecordFile[],
  rules: FileRequirements,
): string | undefined {
  const { min_count: least, max_count: most } = rules;
  const flaw = flawOfName(sourceId);
  if (flaw !== undefined && Math.max(files.length, least) > 0) {
    return `source_id ${flaw}; hooks see the files of a record in a directory of this name`;
  }
  if (files.length < least) return `files: ${files.length}, and the convention wants ${least} at least`;
  if (files.length > most) {
    return most === 0
      ? 'files: the convention takes none'
      : `files: ${files.length}, and the convention takes ${most} at most`;
  }
  return files.map((file) => problemOfFile(file, rules)).find((problem) => problem !== undefined);
}

function problemOfFile({ name, size }: RecordFile, rules: FileRequirements): string | undefined {
  const { accepted_types: types, max_file_size: most } = rules;
  const endings = types.map((type) => (type.startsWith('.') ? type : `.${type}`).toLowerCase());
  if (endings.length > 0 && !endings.some((ending) => name.toLowerCase().endsWith(ending))) {
    return `file ${excerpt(name)}: the convention takes ${endings.join(', ')}`;
  }
  if (most > 0 && size > most) {
    return `file ${excerpt(name)}: ${size} bytes, and the convention takes ${most} at most`;
  }
  return undefined;
}

/** The first breach of a convention's rules that the stored bytes of a record's files show. */
export function problemOfStored(
  files: readonly RecordFile[],
  stored: ReadonlyMap<string, StoredFile>,
): string | undefined {
  for (const { name, sha256, size } of files) {
    const found = stored.get(sha256);
    if (found === undefined) {
      return `file ${excerpt(name)}: you have not sent sha256:${sha256}, and no published record has it; upload it first`;
    }
    if (found.size !== size) {
      return `file ${excerpt(name)}: it has ${found.size} bytes, and the record says ${size}`;
    }
    const flaw = flawOfType(name, found.head);
    if (flaw !== undefined) return `file ${excerpt(name)}: it ${flaw}`;
  }
  return undefined;
}

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type { Manifest, ManifestHook } from '@osa/core/convention/manifest/read';
import { OsaError } from '@osa/core/error';
import type { IncomingRecord } from '@osa/core/ingestion/ingestions';
import type { Runner } from '@osa/core/run/runner';
import type { TrialResult } from '@osa/core/run/trial';
import type { RunnerSetting } from '@osa/core/runners/index';
import type { BlobStore } from '@osa/core/storage/index';
import type { Context } from '../../../command.ts';
import { engineOptions } from '../../../config/config.ts';
import { type InputOptions, openInput } from '../../../input/input.ts';
import { noteWarnings } from '../../../packing/file-list.ts';
import type { HookPackage } from '../../../packing/hook-package.ts';
import type { Image } from '../../../packing/image.ts';
import { recordsWithFiles } from '../../ingestions/files/files.ts';
import { unusableRecords } from '../../ingestions/records-file.ts';
import { readTextFile } from '../../text-file.ts';
import { type TrialFiles, trialFiles } from './files.ts';

export interface TrialRequest {
  readonly hook: string;
  /** A path, or `-`. */
  readonly records: string;
  readonly reading: InputOptions;
  readonly convention: string;
  /** `--files`. */
  readonly files: string | undefined;
  readonly directory: string | undefined;
  readonly image: Image | undefined;
  readonly limit: number;
}

export interface Tried extends TrialResult {
  readonly hook: ManifestHook;
  readonly invalid: readonly IncomingRecord[];
  readonly ids: readonly string[];
  readonly ok: boolean;
}

/** More are no trial; `osa ingest` takes any number. */
const mostRecords = 10_000;
/** Bytes of lines; the records of a trial are in memory completely. */
const mostBytes = 64 * 1024 * 1024;

/** @throws OsaError `usage`, `malformed`, `invalid`, `unavailable`; whatever the code cannot be started for */
export async function trial(context: Context, request: TrialRequest): Promise<Tried> {
  const { sources, signal, entry } = context;
  const { manifest, hook } = await readHook(context, request);
  const { outputThreads } = await import('@osa/core/run/output/threads');
  const { tryHook } = await import('@osa/core/run/trial');
  const place = await mkdtemp(join(tmpdir(), 'osa-trial-'));
  await using threads = outputThreads({ idle: 1, ...(entry && { entry }) });
  try {
    const { valid, invalid, linkFile } = await readInput(context, manifest, { ...request, place });
    const { cwd, environment } = sources;
    const { note } = context.output;
    const warn = (code: HookPackage) => noteWarnings(context, hook.name, code);
    const code = await prepare(request, hook, { place, cwd, environment, note, warn, stop: signal });
    const result = await tryHook({
      hook: hook.name,
      contract: hook.feature,
      release: { ...code.release, config: hook.config, limits: hook.limits },
      records: valid.map(({ sourceId, metadata, files }) => ({ id: sourceId, metadata, files })),
      linkFile,
      runner: code.runner,
      workspace: join(place, 'work'),
      threads,
      limit: request.limit,
      signal,
    });
    const errored = [...result.verdicts.values()].some(({ status }) => status === 'errored');
    return {
      ...result,
      hook,
      invalid,
      ids: valid.map(({ sourceId }) => sourceId),
      ok: result.failure === null && !errored && valid.length > 0,
    };
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}

async function readHook(
  { sources }: Context,
  { hook: name, convention, image }: TrialRequest,
): Promise<{ manifest: Manifest; hook: ManifestHook }> {
  const { parseManifest } = await import('@osa/core/convention/manifest/read');
  const path = resolve(sources.cwd, convention);
  const content = await readTextFile(path, {
    shown: convention,
    field: 'convention',
    ifMissing: 'start one with: osa init',
  });
  const images = new Map(image ? [[name, image]] : []);
  const manifest = parseManifest(content, { file: convention, images });
  const hook = manifest.hooks.find((declared) => declared.name === name);
  if (hook) return { manifest, hook };
  const names = manifest.hooks.map((declared) => declared.name).join(', ') || 'none';
  throw new OsaError('usage', `${convention} has no hook ${name}; its hooks: ${names}`, { field: 'hook' });
}

async function readInput(
  context: Context,
  manifest: Manifest,
  { records: file, reading, files: directory, place }: TrialRequest & { readonly place: string },
): Promise<{ valid: IncomingRecord[]; invalid: IncomingRecord[]; linkFile: TrialFiles['linkFile'] }> {
  const { readRecords, twinRefusal } = await import('@osa/core/ingestion/ndjson');
  const { id, version, fields } = manifest.schema;
  const input = await openInput(context, { files: [file], field: 'records' }, reading);
  input.readFor({ fields, openText: false });
  // Without --files it may be a trial of metadata alone.
  const files = directory === undefined ? { ...manifest.files, min_count: 0 } : manifest.files;
  const attached = await recordsWithFiles(context, input, { directory, from: [file], rules: files });
  const { source } = attached;
  const { linkFile, checked } = await trialFiles(place, attached.files, context.signal);
  const pinned = { convention: manifest.slug, schema: { id, version }, fields, openText: false, files };
  const [valid, invalid]: [IncomingRecord[], IncomingRecord[]] = [[], []];
  const lines = new Map<string, number>();
  let size = 0;
  try {
    for await (const read of readRecords(source.open(context.signal), pinned)) {
      const record = checked(read);
      const earlier = lines.get(record.sourceId);
      if (earlier !== undefined) throw twinRefusal(record.sourceId, [earlier, record.line]);
      lines.set(record.sourceId, record.line);
      if (lines.size > mostRecords)
        throw new OsaError('too_large', `has more than ${mostRecords} records; try a few of them`);
      size += record.metadata.length;
      if (size > mostBytes) {
        const message = `has more than ${mostBytes} bytes in its first ${lines.size} records; try a few of them`;
        throw new OsaError('too_large', message);
      }
      (record.problem === null ? valid : invalid).push(record);
    }
    if (lines.size === 0) throw new OsaError('invalid', 'holds no record');
  } catch (error) {
    throw unusableRecords(source, error);
  }
  return { valid, invalid, linkFile };
}

interface Place {
  readonly place: string;
  readonly cwd: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly note: (text: string) => void;
  readonly warn: (code: HookPackage) => void;
  readonly stop: AbortSignal;
}

interface Code {
  readonly runner: Runner;
  readonly release: {
    readonly runtime: 'directory' | 'image';
    readonly image: string | null;
    readonly digest: string;
    readonly command: readonly string[] | null;
  };
}

async function prepare(
  { directory: given, convention }: TrialRequest,
  { name, release }: ManifestHook,
  place: Place,
): Promise<Code> {
  if (release.kind === 'directory') {
    const own = resolve(dirname(resolve(place.cwd, convention)), release.directory);
    return directory(given === undefined ? own : resolve(place.cwd, given), release.command, place);
  }
  if (given === undefined) return image({ name: release.image, digest: release.digest }, place);
  // A command for another directory than the file's is the one that the file gives for its own.
  throw new OsaError(
    'usage',
    `${convention}: hook ${name} has no release.command, which starts a directory`,
    { field: 'directory' },
  );
}

async function directory(path: string, command: readonly string[], place: Place): Promise<Code> {
  const [{ packHook }, { bounds }] = await Promise.all([
    import('../../../packing/hook-package.ts'),
    import('@osa/core/limits'),
  ]);
  const blobs = await blobsOf(place);
  const code = await packHook(path, { command, environment: place.environment, stop: place.stop });
  place.warn(code);
  const { digest, open } = code;
  await blobs.put(digest.replace('sha256:', ''), open(), { maxBytes: bounds.blobBytes });
  return {
    runner: await runnerOf('process', place),
    release: { runtime: 'directory', image: null, digest, command },
  };
}

async function image({ name, digest }: Image, place: Place): Promise<Code> {
  const release = { runtime: 'image', image: name, digest, command: null } as const;
  return { runner: await runnerOf('auto', place), release };
}

async function blobsOf({ place }: Place): Promise<BlobStore> {
  const { filesystemBlobs } = await import('@osa/core/storage/filesystem');
  return filesystemBlobs(join(place, 'blobs'));
}

async function runnerOf(setting: RunnerSetting, place: Place): Promise<Runner> {
  const [{ makeRunners }, { bounds }] = await Promise.all([
    import('@osa/core/runners/index'),
    import('@osa/core/limits'),
  ]);
  const { environment, note } = place;
  const parts = {
    // Its code is the caller's own.
    isDevelopment: false,
    requiresSafeRuntime: false,
    blobs: await blobsOf(place),
    environment,
    engineOptions: engineOptions(environment),
    pullTimeoutMs: bounds.pullMs,
    warn: (message: string, { why, err }: Readonly<Record<string, unknown>>) =>
      note(`${message} (${err instanceof Error ? err.message : why})`),
  };
  const [runner] = await makeRunners(setting, parts);
  if (!runner) throw new OsaError('internal', `no runner is chosen by ${setting}`);
  return runner;
}

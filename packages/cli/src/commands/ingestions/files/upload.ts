import { open, stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { asOsaError, type ErrorCode, OsaError } from '@osa/core/error';
import { streamOf } from '@osa/core/file/stream';
import { bounds } from '@osa/core/limits';
import type { Client } from '../../../http/client.ts';
import type { Progress } from '../progress.ts';
import type { LocalFile } from './local.ts';

/** A connection that breaks again and again without a byte in between is given up after these waits, in milliseconds. */
const againMs = [200, 1_000, 3_000, 10_000];
const passing: readonly ErrorCode[] = ['unreachable', 'unavailable', 'in_progress', 'malformed'];

export interface UploadRequest {
  readonly convention: string;
  readonly files: readonly LocalFile[];
  readonly progress: Progress;
  readonly signal: AbortSignal;
  /** The scope that tokens need, where no upload brings one. */
  readonly scope?: string;
}

/**
 * Sends the files that the server does not have, each from where an earlier try ended. The answer counts them.
 *
 * @throws OsaError `usage` for a file that changes meanwhile, and what the server refuses
 */
export async function uploadFiles(client: Client, request: UploadRequest): Promise<{ sent: number }> {
  const { files, progress } = request;
  const total = files.reduce((sum, { size }) => sum + size, 0);
  const told = { done: 0, total };
  let sent = 0;
  for (let at = 0; at < files.length; at += bounds.askedFiles) {
    const some = files.slice(at, at + bounds.askedFiles);
    const missing = await missingOf(client, request, some);
    for (const file of some) {
      const received = missing.get(file.sha256);
      if (received !== undefined) {
        const counted = (bytes: number) => progress.uploading(told.done + bytes, told.total);
        await sendFile(client, { ...request, file, received, counted });
        sent += 1;
      }
      told.done += file.size;
    }
  }
  return { sent };
}

async function missingOf(
  client: Client,
  { convention: slug, scope }: Pick<UploadRequest, 'convention' | 'scope'>,
  files: readonly LocalFile[],
): Promise<Map<string, number>> {
  const body = { sha256: files.map(({ sha256 }) => sha256) };
  const { missing } = await client.call('missingFiles', {
    params: { slug },
    body,
    repeatable: true,
    ...scoped(scope),
  });
  return new Map(missing.map(({ sha256, received }) => [sha256, received]));
}

interface Sending extends UploadRequest {
  readonly file: LocalFile;
  readonly received: number;
  readonly counted: (bytes: number) => void;
}

async function sendFile(client: Client, sending: Sending): Promise<void> {
  const { file, signal } = sending;
  let offset = sending.received;
  for (let tries = 0; ; ) {
    const from = offset;
    try {
      const answer = await sendFrom(client, sending, from);
      if (answer.stored) return;
      if (answer.received <= from) throw changed(file);
      offset = answer.received;
    } catch (error) {
      const wait = againMs[tries];
      const known = asOsaError(error);
      if (known?.code === 'invalid' && known.field === 'sha256') throw changed(file, known);
      if (known?.code === 'interrupted') throw error;
      if (!known || wait === undefined || !mayPass(known)) {
        throw (await hasChanged(file)) ? changed(file, error) : error;
      }
      await delay(wait, undefined, { signal });
      const received = (await missingOf(client, sending, [file])).get(file.sha256);
      if (received === undefined) return;
      offset = received;
    }
    tries = offset > from ? 0 : tries + 1;
  }
}

function mayPass({ code, field }: OsaError): boolean {
  return passing.includes(code) || (code === 'conflict' && field === 'offset');
}

function sendFrom(
  client: Client,
  { convention: slug, file: { sha256, size, path }, counted, signal, scope }: Sending,
  offset: number,
) {
  async function* bytes() {
    let sent = offset;
    for await (const chunk of streamOf(await open(path), { start: offset })) {
      yield chunk;
      sent += chunk.length;
      counted(sent);
    }
  }
  const upload = { open: () => Readable.from(bytes(), { objectMode: false }), replayable: false };
  return client.call('putFile', {
    params: { slug, sha256 },
    query: { size, offset },
    upload,
    signal,
    ...scoped(scope),
  });
}

function scoped(scope: string | undefined): { readonly scope?: string } {
  return scope === undefined ? {} : { scope };
}

/** Whether a file is not the one that was hashed. */
async function hasChanged({ path, size, modifiedMs }: LocalFile): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.size !== size || found.mtimeMs !== modifiedMs;
}

function changed({ path }: LocalFile, cause?: unknown): OsaError {
  const message = `${path} changed while it was sent; run the command again when nothing writes to it`;
  return new OsaError('usage', message, { field: 'files', cause });
}

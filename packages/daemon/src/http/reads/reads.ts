import { Readable } from 'node:stream';
import type { TableFile } from '@osa/core/data/format/file';
import { mapInTurns } from '@osa/core/in-turns';
import { WrittenAnswer } from '@osa/core/json/written';
import { whileWanted } from '@osa/core/postgres/connection/connect';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { HttpLimits } from '../limits.ts';
import { networkOf } from '../network.ts';
import { anonymousBudget } from './anonymous.ts';
import { fileStream } from './file.ts';
import { createShares, type Reader } from './shares.ts';
import { StoredBytes } from './stored-bytes.ts';
import { countedStreams } from './streams.ts';

/**
 * Makes the answer of a reading route: the text that is sent, or the stream that the route answers with. The request is
 * received before its turn comes: a client that sends its body slowly has no turn meanwhile.
 */
export type Reads = <T>(
  request: FastifyRequest,
  reply: FastifyReply,
  work: { readonly receive: () => Promise<T>; readonly read: (received: T) => Promise<unknown> },
) => Promise<unknown>;

/**
 * Bounds what reads can take from everything else. Readers without a token have a budget. All readers share the
 * connections for reads. When a client has gone, its reads are cancelled.
 */
export function boundedReads({
  limits,
  most,
}: {
  readonly limits: HttpLimits;
  readonly most: number;
}): Reads {
  const budget = anonymousBudget(limits);
  const shares = createShares({
    reads: most,
    unreadBytes: limits.unreadBytes,
    waiting: limits.waitingReads,
    waitMs: limits.readWaitMs,
  });
  const tables = countedStreams('tables as files', limits.tableStreams);
  const files = countedStreams('files', limits.fileStreams);
  return async (request, reply, { receive, read }) => {
    const { socket } = request.raw;
    const client = clientOf(reply);
    client.throwIfAborted();
    const reader = readerOf(request);
    if (reader.isAnonymous) {
      budget.admit(reader.name);
      client.addEventListener('abort', () => budget.abandon(reader.name));
    }
    const received = await whileWanted(client, receive);
    const take = () => shares.take({ reader, client, cut: () => socket.destroy() });
    const turn = await take();
    try {
      const answer = await whileWanted(client, () => read(received));
      const spend = (spent: { readonly rows?: number; readonly bytes?: number }) => {
        if (reader.isAnonymous) budget.spend(reader.name, { rows: 0, bytes: 0, ...spent });
      };
      if (isTableFile(answer)) {
        reply.raw.once('close', tables.begin(reader));
        const reading = { take, client, onPart: spend, onPiece: spend };
        const body = await fileStream(answer, turn, reading);
        reply.type(answer.mediaType).header('content-disposition', `attachment; filename="${answer.name}"`);
        return bodyFor(request, body);
      }
      if (answer instanceof StoredBytes) {
        turn.end();
        reply.raw.once('close', files.begin(reader));
        spend({ rows: 1 });
        if (request.method !== 'HEAD') spendSent(request, reply, { length: answer.length, spend });
        const body = await whileWanted(client, answer.open);
        if (client.aborted) body.destroy();
        client.throwIfAborted();
        return bodyFor(request, body);
      }
      const body = answer instanceof Readable ? answer : await encoded(answer, client);
      if (client.aborted && body instanceof Readable) body.destroy();
      client.throwIfAborted();
      if (!reply.hasHeader('content-type')) reply.type('application/json; charset=utf-8');
      reply.raw.once('close', turn.end);
      // A stream holds little of its file, and a slow client may take its time.
      if (body instanceof Readable) turn.end();
      else turn.send(body.length);
      spend({ rows: rowsOf(answer), bytes: body instanceof Readable ? 0 : body.length });
      return body;
    } catch (error) {
      turn.end();
      throw error;
    }
  };
}

/** A server that answers HEAD reads a stream to its end, and drops it. */
function bodyFor({ method }: FastifyRequest, body: Readable): Readable {
  if (method !== 'HEAD') return body;
  body.destroy();
  return Readable.from([]);
}

interface Spending {
  readonly length: number;
  readonly spend: (spent: { readonly bytes: number }) => void;
}

/** Counts a whole body before it is sent, and gives back later what its client left. */
function spendSent({ raw }: FastifyRequest, reply: FastifyReply, { length, spend }: Spending): void {
  const before = raw.socket.bytesWritten;
  spend({ bytes: length });
  reply.raw.once('close', () => {
    const left = length - (raw.socket.bytesWritten - before);
    if (!reply.raw.writableFinished && left > 0) spend({ bytes: -left });
  });
}

function isTableFile(answer: unknown): answer is TableFile {
  return typeof answer === 'object' && answer !== null && 'encode' in answer && 'parts' in answer;
}

/** Counted by its token, or by its network where it has none. */
export function readerOf({ caller, ip }: FastifyRequest): Reader {
  if (!caller) return { name: networkOf(ip), isAnonymous: true };
  const { issuer, subject } = caller.principal;
  return { name: JSON.stringify([issuer, subject]), isAnonymous: false };
}

/** Aborted when the connection ends before the answer is sent. */
function clientOf({ raw }: FastifyReply): AbortSignal {
  const client = new AbortController();
  const gone = Object.assign(new Error('the client has gone'), { code: 'ECONNRESET' });
  if (raw.destroyed || raw.socket === null || raw.socket.destroyed) client.abort(gone);
  raw.once('close', () => {
    if (!raw.writableFinished) client.abort(gone);
  });
  return client.signal;
}

/** JSON in UTF-8. Lists are written in pieces, each at once as bytes, since a page may be many megabytes. */
async function encoded(answer: unknown, client: AbortSignal): Promise<Buffer> {
  if (Buffer.isBuffer(answer)) return answer;
  if (answer instanceof WrittenAnswer) return Buffer.from(answer.text);
  if (typeof answer === 'string') return Buffer.from(answer);
  if (typeof answer !== 'object' || answer === null) return Buffer.from(JSON.stringify(answer));
  const pieces: Buffer[] = [];
  for (const [name, value] of Object.entries(answer)) {
    if (value === undefined) continue;
    pieces.push(Buffer.from(`${pieces.length === 0 ? '{' : ','}${JSON.stringify(name)}:`));
    if (Array.isArray(value)) pieces.push(...(await listPieces(value, client)));
    else pieces.push(Buffer.from(JSON.stringify(value)));
  }
  return Buffer.concat([...pieces, Buffer.from(pieces.length === 0 ? '{}' : '}')]);
}

async function listPieces(list: readonly unknown[], client: AbortSignal): Promise<Buffer[]> {
  let separator = '[';
  const pieces = await mapInTurns(
    list,
    (item) => {
      const piece = Buffer.from(`${separator}${JSON.stringify(item) ?? 'null'}`);
      separator = ',';
      return piece;
    },
    client,
  );
  return [...pieces, Buffer.from(list.length === 0 ? '[]' : ']')];
}

/** The items of an answer's lists; an answer without any counts as one. */
function rowsOf(answer: unknown): number {
  if (answer instanceof WrittenAnswer) return Math.max(1, answer.rows);
  const lists = Object.values(answer ?? {}).filter(Array.isArray);
  return Math.max(
    1,
    lists.reduce((sum, list) => sum + list.length, 0),
  );
}

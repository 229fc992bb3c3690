import { Readable } from 'node:stream';
import type { Answer } from '@osa/core/api';
import type { Event } from '@osa/core/events/outbox';
import type { EventFeed } from './feed.ts';

export interface StreamOptions {
  readonly feed: EventFeed;
  readonly after: number;
  readonly client: AbortSignal;
  read(after: number): Promise<Answer<'readEvents'>>;
}

/** A comment keeps proxies from closing a connection on which nothing happens. */
const heartbeatMs = 15_000;
/** Clients come back by themselves, with a token that is checked again. */
const longestMs = 5 * 60_000;

/**
 * Events as Server-Sent Events. It reads on when the client has taken what it has, so a slow client holds one page. It ends
 * after five minutes, and when the daemon drains.
 */
export function eventStream(options: StreamOptions): Readable {
  return Readable.from(lines(options), { objectMode: false, highWaterMark: 16 * 1024 });
}

async function* lines({ feed, client, read, after: start }: StreamOptions): AsyncGenerator<string> {
  const end = Date.now() + longestMs;
  let after = start;
  yield 'retry: 2000\n\n';
  while (!client.aborted && !feed.isEnding() && Date.now() < end) {
    const page = await read(after);
    after = page.after;
    for (const event of page.items) yield framed(event);
    if (page.has_more) continue;
    await feed.wait(after, { waitMs: Math.min(heartbeatMs, Math.max(0, end - Date.now())), client });
    yield ': \n\n';
  }
}

/** JSON has no line ends, so each event is one line of data. */
function framed({ seq, ...event }: Event): string {
  return `id: ${seq}\nevent: ${event.type.replace(/[^\w.-]/g, '_')}\ndata: ${JSON.stringify({ seq, ...event })}\n\n`;
}

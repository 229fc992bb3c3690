import { OsaError } from '@osa/core/error';
import { deadEvents, type EventQuery, readEvents } from '@osa/core/events/events';
import type { Store } from '@osa/core/store';
import { type EventFeed, eventFeed } from '../events/feed.ts';
import { eventStream } from '../events/stream.ts';
import type { Call, Handlers } from '../mount.ts';

type Routes = Pick<Handlers, 'readEvents' | 'deadEvents'>;

interface Parts {
  readonly store: Store;
  readonly feed: EventFeed;
}

export function eventRoutes(options: { readonly store: Store; readonly isDraining: () => boolean }): Routes {
  const { store } = options;
  const parts = { store, feed: eventFeed(store.events, options) };
  return {
    readEvents: (call) => events(call, parts),
    deadEvents: ({ caller, query }) => deadEvents(store, caller().principal, query.limit),
  };
}

async function events(call: Call<'readEvents'>, parts: Parts) {
  const isStream = call.request.headers.accept?.includes('text/event-stream') === true;
  return isStream ? streamed(call, parts) : read(call, parts);
}

async function read({ caller, query, reply }: Call<'readEvents'>, { store, feed }: Parts) {
  const { principal } = caller();
  const { wait, ...asked } = query;
  const page = await readEvents(store, principal, asked);
  if (wait === 0 || page.items.length > 0 || page.has_more) return page;
  const leave = feed.admit(readerOf(principal));
  try {
    await feed.wait(page.after, { waitMs: wait * 1_000, client: clientOf(reply.raw) });
  } finally {
    leave();
  }
  return readEvents(store, principal, { ...asked, last: undefined, after: page.after });
}

/** Everything that can be refused is refused before the first byte. */
async function streamed({ caller, query, request, reply }: Call<'readEvents'>, { store, feed }: Parts) {
  const { principal } = caller();
  const asked: EventQuery = { ...query, ...resumed(request.headers['last-event-id']) };
  const first = await readEvents(store, principal, asked);
  const leave = feed.admit(readerOf(principal));
  reply.raw.once('close', leave);
  reply.type('text/event-stream; charset=utf-8').header('cache-control', 'no-store');
  let isFirst = true;
  const stream = eventStream({
    feed,
    after: first.after,
    client: clientOf(reply.raw),
    read: async (after) => {
      const page = isFirst ? first : await readEvents(store, principal, { ...asked, last: undefined, after });
      isFirst = false;
      return page;
    },
  });
  return stream as never;
}

/** @throws OsaError `invalid` */
function resumed(given: string | string[] | undefined): Partial<EventQuery> {
  if (given === undefined) return {};
  if (typeof given === 'string' && /^\d{1,15}$/.test(given)) return { after: Number(given), last: undefined };
  throw new OsaError('invalid', 'Last-Event-ID: must be the id of an event of this stream; leave it out', {
    field: 'Last-Event-ID',
  });
}

function readerOf({ issuer, subject }: { readonly issuer: string; readonly subject: string }): string {
  return JSON.stringify([issuer, subject]);
}

function clientOf(raw: Call<'readEvents'>['reply']['raw']): AbortSignal {
  const client = new AbortController();
  if (raw.destroyed) client.abort();
  raw.once('close', () => client.abort());
  return client.signal;
}

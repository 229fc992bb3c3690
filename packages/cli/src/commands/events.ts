import { setTimeout as pause } from 'node:timers/promises';
import type { Answer } from '@osa/core/api';
import { asOsaError, OsaError } from '@osa/core/error';
import { bounds } from '@osa/core/limits';
import { type Context, defineCommand } from '../command.ts';
import type { Client } from '../http/client.ts';
import { time, value } from '../terminal/format.ts';
import { bold, dim, type Line, line } from '../terminal/paint.ts';
import { integer, text, wordOf } from '../terminal/parse.ts';

const whatArgument = {
  description: 'dead: what another service refused, instead of events',
  optional: true,
  parse: wordOf(['dead']),
} as const;

export const events = defineCommand({
  description:
    'Shows what happened on the server, oldest first: deploys, releases, ingestions, ends of batches, accepted ' +
    'and refused requests. Without options it shows the last 20 events. With --follow it stays and prints events ' +
    'as they happen; it goes on after a lost connection and misses none.',
  arguments: { what: whatArgument },
  options: {
    follow: { short: 'f', description: 'stay, and print events as they happen; Ctrl-C ends it' },
    after: {
      value: 'SEQ',
      description: 'events after this place; 0 for all',
      parse: integer(0, Number.MAX_SAFE_INTEGER),
    },
    last: {
      short: 'n',
      value: 'N',
      description: `the newest N events, 0 to ${bounds.eventPage} (default: 20)`,
      parse: integer(0, bounds.eventPage),
    },
    type: {
      value: 'TYPE',
      description: 'only events of this type, such as batch.finished',
      parse: text(100),
    },
  },
  examples: [
    ['osa events', 'the last 20 events'],
    ['osa events -f', 'what happens from now on'],
    ['osa events dead', 'what the OpenLineage endpoint refused'],
    ['osa events --after 0 --json > events.ndjson', 'all events, one JSON document a line'],
  ],
  json: '{"seq", "type", "at", "actor", "payload"} a line; dead: {"items": [{"seq", "consumer", "error", "document"}]}',
  async run(context, { arguments: { what }, options: { follow, after, last, type } }) {
    if (what !== undefined) return showDead(context);
    if (after !== undefined && last !== undefined) {
      throw new OsaError('usage', '--after and --last exclude each other; give one of them', {
        field: 'last',
      });
    }
    const client = context.client();
    const start = after === undefined ? { last: last ?? (follow ? 0 : 20) } : { after };
    let page = await read(client, { ...start, type });
    if (after !== undefined && (page.pruned_to ?? 0) > after) {
      context.output.note(
        `ends of batches and accepted requests up to place ${page.pruned_to} were pruned because of their age; all else is there`,
      );
    }
    show(context, page);
    while (page.has_more || follow) {
      page = await next(context, client, { after: page.after, type, wait: page.has_more ? 0 : waitSeconds });
      show(context, page);
    }
    return undefined;
  },
});

async function showDead({ client, output }: Context): Promise<undefined> {
  const answer = await client().call('deadEvents', {});
  const lines = answer.items.map(({ seq, consumer, error, at, document }) => {
    const facts = [document.eventType, document.run].map((fact) => value(fact)).join(' ');
    return line`${dim(String(seq))} ${time(at)} ${bold(consumer)} ${error} ${dim(facts)}`;
  });
  output.result(answer, lines.length === 0 ? ['nothing was refused'] : lines);
  return undefined;
}

type Page = Answer<'readEvents'>;
type Query = Readonly<Record<'after' | 'last' | 'wait', number>>;

const waitSeconds = 25;
const awayMs = 2_000;

async function read(
  client: Client,
  { type, ...query }: Partial<Query> & { readonly type: string | undefined },
): Promise<Page> {
  return client.call('readEvents', {
    query: { ...query, limit: bounds.eventPage, ...(type !== undefined && { type }) },
  });
}

/** The next page. A server that is away for a while is waited for, since nothing is lost meanwhile. */
async function next(
  { signal, output }: Context,
  client: Client,
  query: Parameters<typeof read>[1],
): Promise<Page> {
  for (let isTold = false; ; ) {
    try {
      return await read(client, query);
    } catch (error) {
      const { code, message } = asOsaError(error) ?? {};
      if (signal.aborted || code === undefined || !passing.has(code)) throw error;
      if (!isTold) output.note(`${message}; trying again every ${awayMs / 1_000} s`);
      isTold = true;
      await pause(awayMs, undefined, { signal }).catch(() => undefined);
    }
  }
}

const passing: ReadonlySet<string> = new Set(['unreachable', 'unavailable', 'busy', 'rate_limited']);

function show({ output }: Context, { items }: Page): void {
  if (output.json) for (const item of items) output.document(JSON.stringify(item));
  else output.stream(items.map(eventLine));
}

function eventLine({ seq, type, at, actor, payload }: Page['items'][number]): Line {
  const facts = Object.entries(payload)
    .filter(([, content]) => content !== null)
    .map(([name, content]) => `${name}=${value(content)}`);
  const who = actor ? `${actor.subject} ` : '';
  return line`${dim(String(seq))} ${time(at)} ${bold(type)} ${who}${dim(facts.join(' '))}`;
}

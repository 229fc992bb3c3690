import type { Answer } from '@osa/core/api';
import { OsaError } from '@osa/core/error';
import { defineCommand } from '../../command.ts';
import { value, when } from '../../terminal/format.ts';
import { dim } from '../../terminal/paint.ts';
import { integer } from '../../terminal/parse.ts';
import { table } from '../../terminal/table.ts';

export const audit = defineCommand({
  description:
    'Shows who did what, newest first: deploys, releases, moves of live releases, pauses, ingestions, changes of trusted ' +
    'publishers, and requests that were refused for want of a scope. Each entry has the id of its request, which the log ' +
    'of osad names too. Needs the scope runs:read.',
  options: {
    since: {
      value: 'TIME',
      description: 'only what is newer: a time such as 2026-01-31T12:00:00Z, or an age such as 30m, 1h or 7d',
      parse: parseSince,
    },
    actor: {
      value: 'TEXT',
      description: 'only by actors whose subject contains this',
      parse: (text: string) => text,
    },
    hook: { value: 'NAME', description: 'only about this hook', parse: (text: string) => text },
    limit: {
      value: 'N',
      description: 'at most so many entries, 1 to 1000 (default: 100)',
      parse: integer(1, 1_000),
    },
  },
  examples: [
    ['osa audit --since 1h', 'what happened in the last hour'],
    ['osa audit --hook seismic_energy', 'who changed this hook'],
    ['osa audit --actor acme/quakes --since 7d', 'the deploys of one repository in a week'],
  ],
  json: '{"items": [{"id", "at", "type", "actor", "about", "request_id", "details"}], "next_before", "complete"}',
  async run({ client, output }, { options: { since, actor, hook, limit = 100 } }) {
    const answer = await client().call('audit', {
      query: { since: since?.(), actor, hook, limit: String(limit) },
    });
    output.result(answer, auditLines(answer));
    if (answer.next_before !== null) output.note(dim('there are more; ask for a higher --limit'));
    if (!answer.complete) output.note(dim('the trail is longer than was looked through; give --since'));
    return undefined;
  },
});

function auditLines({ items }: Answer<'audit'>) {
  if (items.length === 0) return ['nothing happened that this asks for'];
  const rows = items.map(({ at, type, actor, about, request_id, details }) => [
    when(at),
    type,
    about ?? '-',
    actor?.subject ?? '-',
    request_id ?? '-',
    factsOf(details),
  ]);
  return table(['when', 'what', 'about', 'by', 'request', 'more'], rows);
}

const shown = [
  'version',
  'from_version',
  'to_version',
  'changed',
  'live',
  'reason',
  'retried',
  'scope',
  'count',
];

function factsOf(details: Readonly<Record<string, unknown>>): string {
  const known = shown.filter((name) => details[name] !== undefined && details[name] !== null);
  return known.map((name) => `${name}=${value(details[name])}`).join(' ');
}

/** A time, or an age that is taken from now when the command runs. @throws OsaError `usage` */
function parseSince(text: string): () => string {
  const [, amount, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const seconds = { s: 1, m: 60, h: 3_600, d: 86_400 }[unit ?? ''];
  if (seconds !== undefined)
    return () => new Date(Date.now() - Number(amount) * seconds * 1_000).toISOString();
  if (!Number.isNaN(Date.parse(text)) && /^\d{4}-/.test(text)) {
    const at = new Date(text).toISOString();
    return () => at;
  }
  throw new OsaError(
    'usage',
    'It must be an age such as 30m, 1h or 7d, or a time such as 2026-01-31T12:00:00Z.',
  );
}

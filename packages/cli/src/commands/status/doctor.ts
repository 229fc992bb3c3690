import type { Answer } from '@osa/core/api';
import { asOsaError, OsaError } from '@osa/core/error';
import { defineCommand } from '../../command.ts';
import { resolveCredential } from '../../config/credential.ts';
import type { Client } from '../../http/client.ts';
import { green, type Line, line, red } from '../../terminal/paint.ts';

type Check = Answer<'doctor'>['checks'][number];

export const doctor = defineCommand({
  description:
    'Checks what osa needs on this machine, and what the server needs, each with what to do where it is wrong. Here: Node, ' +
    'the server and its version, your clock, your key. There: database, migrations, role, sessions, clock, statistics, data ' +
    'directory, runner, issuers; this part needs the scope runs:read. Exit code: 1 when something is wrong.',
  examples: [
    ['osa doctor', 'what is wrong, here and at the server'],
    ['osa doctor --json', 'for a program'],
  ],
  json: '{"ok", "here": [{"check", "ok", "detail", "hint"}], "server": [as here; ok false with hint null: it was not looked at]}',
  async run({ client, output, sources, version }) {
    const node = fine('node', process.versions.node);
    const archive = found(client);
    if (archive instanceof OsaError) {
      const here = [node, wrong('server', archive.message, 'start it, or name another one with --server')];
      output.result({ ok: false, here, server: [] }, ['here', ...here.flatMap(checkLines)]);
      return 1;
    }
    const here: Check[] = [node, fine('server', `${archive.server.url}, from ${archive.server.from}`)];
    const reached = await looked('reachable', 'start it, or name another one with --server', async () => {
      const { version: theirs } = await archive.call('health', {});
      return `osad ${theirs}`;
    });
    here.push(reached);
    if (reached.ok) {
      here.push(
        await looked('version', 'install the osa of the server', () => sameVersion(archive, version)),
      );
      here.push(await looked('clock', 'run an NTP client', () => clock(archive)));
    }
    here.push(
      await looked('credential', 'osa auth check finds out more', async () => {
        const found = resolveCredential(sources, archive.server);
        if (found === undefined)
          throw new Error(
            'none: only public data can be read; log in with osa login, or make a key with osa keys generate',
          );
        return { key: 'a key', token: 'OSA_TOKEN', job: 'the ID token of this job', login: 'your login' }[
          found.kind
        ];
      }),
    );
    const server = reached.ok ? await serverChecks(archive) : [];
    const ok = [...here, ...server].every((check) => check.ok);
    output.result({ ok, here, server }, [
      'here',
      ...here.flatMap(checkLines),
      ...(server.length === 0 ? [] : ['server', ...server.flatMap(checkLines)]),
    ]);
    return ok ? undefined : 1;
  },
});

/** The client of the server that is named here, or why there is none. */
function found(client: () => Client): Client | OsaError {
  try {
    return client();
  } catch (error) {
    if (error instanceof OsaError && error.code === 'unreachable') return error;
    throw error;
  }
}

async function serverChecks(archive: Client): Promise<Check[]> {
  try {
    return (await archive.call('doctor', {})).checks;
  } catch (error) {
    const known = asOsaError(error);
    if (!known) throw error;
    return [wrong('checks', known.message, 'sign a token with the scope runs:read')];
  }
}

async function sameVersion(archive: Client, ours: string): Promise<string> {
  const { version: theirs } = await archive.call('health', {});
  const minor = (text: string) => text.split('.').slice(0, 2).join('.');
  if (minor(ours) === minor(theirs)) return `osa ${ours} and osad ${theirs}`;
  throw new Error(`osa is ${ours} and osad is ${theirs}`);
}

const mostOffsetSeconds = 30;

async function clock(archive: Client): Promise<string> {
  const asked = Date.now();
  const { now, clock_skew_seconds = mostOffsetSeconds } = await archive.call('listIssuers', {});
  const offset = Math.round((Date.parse(now) - (asked + Date.now()) / 2) / 100) / 10;
  if (Math.abs(offset) <= clock_skew_seconds) return `${offset} s from the server's`;
  throw new Error(`${offset} s from the server's, which refuses tokens over ${clock_skew_seconds} s`);
}

async function looked(check: string, hint: string, look: () => Promise<string>): Promise<Check> {
  try {
    return fine(check, await look());
  } catch (error) {
    return wrong(check, error instanceof Error ? error.message : String(error), hint);
  }
}

const fine = (check: string, detail: string): Check => ({ check, ok: true, detail, hint: null });
const wrong = (check: string, detail: string, hint: string): Check => ({ check, ok: false, detail, hint });

function checkLines({ check, ok, detail, hint }: Check): Line[] {
  // A check that could not be made has no advice.
  const mark = ok ? green('ok   ') : hint === null ? '-    ' : red('wrong');
  return [
    line`  ${mark} ${check.padEnd(11)} ${detail}`,
    ...(hint === null ? [] : [line`                    → ${hint}`]),
  ];
}

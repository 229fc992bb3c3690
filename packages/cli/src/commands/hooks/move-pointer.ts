import type { Answer } from '@osa/core/api';
import { asOsaError, OsaError } from '@osa/core/error';
import { bounds } from '@osa/core/limits';
import { visible } from '@osa/core/text';
import type { Context } from '../../command.ts';
import type { Client } from '../../http/client.ts';
import { age, counted, shortDigest, shortSource, version, when } from '../../terminal/format.ts';
import { bold, dim, green, type Line, line, yellow } from '../../terminal/paint.ts';
import { releaseVersion } from '../../terminal/parse.ts';
import { table } from '../../terminal/table.ts';
import { ask, requireTerminal } from '../confirm.ts';
import { reasonOption } from '../pause.ts';
import { healed, waitOptions } from '../recomputes/heal.ts';
import { batchesOf, keptLines } from './kept-lines.ts';
import { comparisonLines } from './release-differences.ts';

/** Rollback and activate: two moves of one pointer. */

type Hook = Answer<'showHook'>;

export const moveOptions = {
  choose: { description: 'pick the release from a list, on a terminal' },
  ...reasonOption,
  cancelRunning: {
    description: 'end what still runs under the release that is left; its records are claimed again',
  },
  heal: {
    description: 'compute the rows of the release that is left again, and follow that to its end',
  },
  ...waitOptions,
  yes: { short: 'y', description: 'do not ask' },
} as const;

interface MoveOptions {
  readonly heal: boolean;
  readonly wait: boolean;
  readonly timeout: number | undefined;
}

/** Options for the wait need something to wait for. @throws OsaError `usage` */
export function refuseUnhealed({ heal, wait, timeout }: MoveOptions): void {
  const field = wait ? (timeout === undefined ? undefined : 'timeout') : 'no-wait';
  if (heal || field === undefined) return;
  throw new OsaError('usage', `--${field} is about the recompute: it goes with --heal`, { field });
}

/** Says how a move ended; with a recompute, follows that and proves what is left. The number is the exit code. */
export async function concludeMove(
  context: Context,
  client: Client,
  answer: Answer<'rollback'>,
  { verb, ...options }: MoveOptions & { readonly verb: 'rollback' | 'activate' },
): Promise<number | undefined> {
  const { output } = context;
  const { recompute: begun, hook_name: hook } = answer;
  const moved = moveLines(answer, verb);
  if (!begun) {
    const none = options.heal
      ? [
          line`no release was left, so nothing is healed; ${bold(`osa hooks recompute ${hook}`)} computes stale rows again`,
        ]
      : [];
    output.result(answer, [...moved, ...none]);
    return undefined;
  }
  if (!options.wait) {
    output.result(answer, [
      ...moved,
      line`recompute ${begun.id} began: ${bold(`osa recomputes show ${begun.id}`)}`,
    ]);
    return undefined;
  }
  output.note(...moved);
  const { recompute, proof, code, lines } = await healed(context, client, begun, options);
  output.result({ ...answer, recompute, proof }, lines);
  return code;
}

/** A version as an argument: `3` or `v3`. @throws OsaError `usage` */
export function versionArgument(name: string, given: string): number {
  try {
    return releaseVersion(given);
  } catch (cause) {
    throw new OsaError('usage', `${name}: "${given}" is not a version of a release, such as 3`, {
      field: name,
      cause,
    });
  }
}

export interface Move {
  readonly hook: Hook;
  readonly target: number | undefined;
  readonly verb: 'Roll back' | 'Activate';
  /** `refused`: the server says why; `same`: that release is live. Neither needs a question. */
  readonly state: 'open' | 'same' | 'refused';
  readonly cancelRunning: boolean;
}

/**
 * Shows the move from the live release to `target`, with what differs and what still runs, and asks once. Without a
 * terminal it is `usage`, whatever the hook's state: a script that leaves out --yes fails on the first day.
 *
 * @throws OsaError `usage` without a terminal, `not_found` for a release that does not exist, `interrupted`.
 */
export async function confirmMove(
  context: Context,
  client: Client,
  { hook, target, state, verb, cancelRunning }: Move,
): Promise<boolean> {
  if (state !== 'open' || target === undefined) return true;
  const { name, live } = hook;
  requireTerminal(context, {
    about: `${name}: ${version(live?.version ?? null)} → ${version(target)}`,
    details: { hook: name, from_version: live?.version ?? null, to_version: target },
  });
  const [from, to] = await Promise.all([
    live ? showRelease(client, name, live.version) : null,
    showRelease(client, name, target),
  ]);
  const fromTo = line`${bold(name)}: ${yellow(version(live?.version ?? null))} → ${green(version(target))}`;
  const running = hook.claimed.filter((claimed) => claimed.version === live?.version);
  context.output.note(
    fromTo,
    ...comparisonLines(from, to),
    ...running.map(({ version: left, batches }) =>
      cancelRunning
        ? line`${yellow('!')} ${runningNow(batches, left)}; they are ended and claimed again under ${version(target)}`
        : line`${yellow('!')} ${runningNow(batches, left)} and will keep it; --cancel-running ends them`,
    ),
  );
  return ask(context, `${verb} ${visible(name)} to ${version(target)}?`);
}

function runningNow(batches: number, left: number): string {
  return `${counted(batches, 'batch', 'batches')} ${batches === 1 ? 'runs' : 'run'} under ${version(left)}`;
}

/** Asks nobody about a release that does not exist. @throws OsaError `not_found` */
export async function requireRelease(client: Client, hook: Hook, target: number | undefined): Promise<void> {
  if (target !== undefined && target > hook.release_count) await showRelease(client, hook.name, target);
}

/** A release with its config, where it may be seen. */
export function showRelease(client: Client, name: string, wanted: number): Promise<Answer<'showRelease'>> {
  return client.call('showRelease', { params: { name, version: wanted }, scopes: ['runs:read'] });
}

/** More are no help in a list that one picks from. */
const mostChoices = 200;

/**
 * Lets a person pick a release of the hook that is not live; undefined when they leave.
 *
 * @throws OsaError `usage` where nobody can be asked, `conflict` when there is none, `interrupted`.
 */
export async function chooseRelease(
  { output, signal, stdin }: Context,
  client: Client,
  { hook, older }: { readonly hook: Hook; readonly older: boolean },
): Promise<number | undefined> {
  if (!output.interactive) {
    throw new OsaError('usage', '--choose needs a terminal; elsewhere name the version', { field: 'choose' });
  }
  const releases = await choicesOf(client, hook, older);
  if (releases.length === 0) {
    const which = older ? `no release older than ${version(hook.live?.version ?? null)}` : 'no other release';
    throw new OsaError('conflict', `hook ${hook.name} has ${which}`, { field: 'choose' });
  }
  const choices = releases.map((release) => ({
    value: String(release.version),
    label: visible(
      `${version(release.version).padEnd(5)} ${shortDigest(release.digest)}  ${age(release.built_at)} ago  ` +
        `${release.built_by}  ${shortSource(release.source_ref)}`,
    ),
  }));
  const title = `${visible(hook.name)}: ${version(hook.live?.version ?? null)} is live. Make which release live?`;
  const { choose } = await import('../../terminal/ui/choose.tsx');
  const chosen = await choose({ title, choices, signal, stdin });
  return chosen === undefined ? undefined : Number(chosen);
}

async function choicesOf(client: Client, { name, live }: Hook, older: boolean) {
  const found: Answer<'listReleases'>['releases'] = [];
  for (let cursor: string | undefined; found.length < mostChoices; ) {
    const page = await client.call('listReleases', {
      params: { name },
      query: { limit: bounds.pageRows, cursor },
    });
    found.push(
      ...page.releases.filter((release) =>
        older && live ? release.version < live.version : !release.is_live,
      ),
    );
    if (page.next_cursor === null) break;
    cursor = page.next_cursor;
  }
  return found.slice(0, mostChoices);
}

/** Does `move`. If the pointer has moved since `hook` was read, shows its place before the error. */
export async function tellingWhatMoved<T>(
  { output }: Context,
  client: Client,
  hook: Hook,
  move: () => Promise<T>,
): Promise<T> {
  try {
    return await move();
  } catch (error) {
    if (asOsaError(error)?.code === 'precondition_failed') output.note(...(await movedLines(client, hook)));
    throw error;
  }
}

async function movedLines(client: Client, { name, live, live_seq }: Hook): Promise<Line[]> {
  const [now, { changes }] = await Promise.all([
    client.call('showHook', { params: { name } }),
    client.call('history', { params: { name }, query: { limit: 10 } }),
  ]);
  const meanwhile = changes.filter(({ seq }) => seq > (live_seq ?? 0));
  const { live: present } = now;
  const is = present
    ? line`${green(version(present.version))} is live, ${shortDigest(present.digest)}, ${shortSource(present.source_ref)}`
    : 'none is live';
  return [
    line`${bold(name)}: ${version(live?.version ?? null)} was live when this looked (change #${live_seq ?? 0}); meanwhile:`,
    ...changeTable(meanwhile),
    is,
    dim('nothing was changed by this command'),
  ];
}

/** Moves of a live pointer. */
export function changeTable(changes: Answer<'history'>['changes']): Line[] {
  const rows = changes.map(({ seq, kind, from_version, to_version, reason, actor, at }) => [
    `#${seq}`,
    kind,
    `${version(from_version)} → ${version(to_version)}`,
    actor.subject,
    when(at),
    reason,
  ]);
  return table(['change', 'kind', 'moved', 'by', 'when', 'reason'], rows);
}

/** How a move ended, and what still runs under the release that it left. */
export function moveLines(answer: Answer<'rollback'>, verb: 'rollback' | 'activate'): Line[] {
  const { hook_name: hook, changed, from_version, live_version, live_seq, reason } = answer;
  const { still_running, claimed_again } = answer;
  const why = reason === null ? '' : `, because: ${reason}`;
  const again = `osa hooks ${verb} ${hook} ${verb === 'rollback' ? '--to ' : ''}${live_version} --cancel-running`;
  return [
    changed
      ? line`${hook}: ${version(from_version)} → ${green(`v${live_version}`)} (change #${live_seq}${why})`
      : line`${hook}: v${live_version} is live already; ${claimed_again.length === 0 ? 'nothing was changed' : 'the pointer did not move'}`,
    ...claimed_again.map(
      (group) => line`${batchesOf(group)} under ${version(group.version)} ended; records are claimed again`,
    ),
    ...keptLines(still_running, { live: live_version, again }),
  ];
}

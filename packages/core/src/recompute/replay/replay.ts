import type { ParsedBody, ParsedQuery } from '../../api/index.ts';
import { everything, requireScope } from '../../auth/scope.ts';
import { OsaError } from '../../error.ts';
import { HookName, unknownHook, unknownRelease } from '../../hook/hook.ts';
import { bounds } from '../../limits.ts';
import type { Store, Writer, WriteTransaction } from '../../store.ts';
import { drawPlaces } from './draw.ts';
import { type Certificate, type NewReplay, type Replay, unknownReplay } from './replays.ts';
import { locatedRows, partsOf } from './rows.ts';

type Request = ParsedBody<'replay'>;

/**
 * Asks for rows, a run or a sample to be computed once more by the release of their own run; a worker does it.
 *
 * @throws OsaError `not_found` (rows, run, hook, release, nothing to draw from), `invalid`, `conflict` (a paused hook, a run
 * without output), `busy` (too much waits already), `access_denied`
 */
export async function replay(store: Store, writer: Writer, request: Request): Promise<Replay> {
  const { principal } = writer;
  requireOneKind(request);
  if (request.sample !== undefined) requireScope(principal, 'replays:write', request.hook ?? everything);
  return store.write(writer, async (transaction) => {
    const { replays, event } = transaction;
    const asked = await selected(transaction, request);
    const hooks = [...new Set(asked.parts.map(({ hook }) => hook))];
    for (const hook of hooks) requireScope(principal, 'replays:write', hook);
    requireUnpaused(await replays.paused(hooks));
    const open = await replays.countOpen(bounds.openReplayParts);
    if (open + asked.parts.length > bounds.openReplayParts) {
      throw new OsaError(
        'busy',
        `${open} runs wait to be replayed, and at most ${bounds.openReplayParts} may; try later`,
      );
    }
    const made = await replays.create({ ...asked, reason: request.reason ?? null });
    await event('replay.created', { replay: made.id, results: made.results });
    return made;
  });
}

function requireOneKind({ rows, run, sample, hook, version, seed }: Request): void {
  const given = Object.entries({ rows, run, sample }).filter(([, value]) => value !== undefined);
  if (given.length !== 1) {
    const which =
      given.length === 0 ? 'none is given' : `${given.map(([name]) => name).join(' and ')} are given`;
    throw new OsaError('invalid', `give rows, a run or a sample: ${which}`, {
      field: given[1]?.[0] ?? 'rows',
    });
  }
  for (const [field, value] of Object.entries({ hook, version, seed })) {
    if (value === undefined || sample !== undefined) continue;
    throw new OsaError(
      'invalid',
      `${field}: it narrows a sample, and ${given[0]?.[0]} names what is replayed`,
      { field },
    );
  }
  if (version !== undefined && hook === undefined) {
    throw new OsaError('invalid', 'version: a release has a hook; name it, too', { field: 'hook' });
  }
}

function requireUnpaused(paused: readonly { readonly hook: string; readonly reason: string | null }[]): void {
  const [first] = paused;
  if (!first) return;
  const why = first.reason === null ? '' : ` (${first.reason})`;
  throw new OsaError(
    'conflict',
    `hook ${first.hook} is paused${why}, so nothing of it is run; osa hooks resume ${first.hook} ends that`,
    { field: 'hook', details: { hooks: paused.map(({ hook }) => hook) } },
  );
}

function selected(transaction: WriteTransaction, request: Request): Promise<NewReplay> {
  const { rows, run } = request;
  if (rows !== undefined) return ofRows(transaction, rows);
  if (run !== undefined) return ofRun(transaction, run);
  return ofSample(transaction, request);
}

const noSample = { hook: null, version: null, sample: null, seed: null, reason: null } as const;

async function ofRows({ replays }: WriteTransaction, names: readonly string[]): Promise<NewReplay> {
  return { kind: 'rows', ...noSample, parts: partsOf(await locatedRows(replays, names)) };
}

async function ofRun({ replays }: WriteTransaction, id: string): Promise<NewReplay> {
  const run = await replays.run(id);
  if (!run) {
    throw new OsaError('not_found', `run: no run has the id ${id}; osa runs list shows them`, {
      field: 'run',
    });
  }
  if (!run.isOver) {
    throw new OsaError('conflict', `run: ${id} has not ended; osa runs show ${id} says how far it is`, {
      field: 'run',
    });
  }
  if (!run.hasOutput) {
    throw new OsaError('conflict', `run: ${id} left no output, so there is nothing to compare with`, {
      field: 'run',
    });
  }
  const { hook, outcomes } = run;
  return { kind: 'run', ...noSample, parts: [{ run: id, hook, whole: true, outcomes }] };
}

async function ofSample(
  { registry, replays }: WriteTransaction,
  { sample = 1, hook, version, seed = crypto.randomUUID() }: Request,
): Promise<NewReplay> {
  if (hook !== undefined) {
    const [known] = HookName.safeParse(hook).success ? await registry.hooks([hook]) : [];
    if (!known) throw unknownHook(hook, 'hook');
    if (version !== undefined && version > known.releaseCount) {
      throw unknownRelease({ name: hook, release_count: known.releaseCount }, version);
    }
    requireUnpaused(await replays.paused([hook]));
  }
  const population = { hook: hook ?? null, version: version ?? null };
  const total = await replays.count(population);
  const drawn = await replays.draw(population, drawPlaces(seed, { total, most: sample }));
  if (drawn.length === 0) {
    const of =
      hook === undefined
        ? 'any hook that is not paused'
        : `${hook}${version === undefined ? '' : ` v${version}`}`;
    throw new OsaError(
      'not_found',
      `sample: no rows of ${of} are published, so there is nothing to draw from`,
      {
        field: 'sample',
      },
    );
  }
  return { kind: 'sample', ...population, sample, seed, reason: null, parts: partsOf(drawn) };
}

/** @throws OsaError `not_found` */
export async function showReplay({ replays }: Store, id: string): Promise<Replay> {
  const found = await replays.show(id);
  if (!found) throw unknownReplay(id);
  return found;
}

interface Certificates {
  readonly items: Certificate[];
  readonly next_cursor: string | null;
}

/** @throws OsaError `not_found` */
export async function listCertificates(
  { replays }: Store,
  id: string,
  query: ParsedQuery<'listCertificates'>,
): Promise<Certificates> {
  const found = await replays.certificates(id, query);
  if (!found) throw unknownReplay(id);
  return found;
}

/** @throws OsaError `not_found` */
export async function listRowCertificates(
  { replays }: Store,
  { hook, id }: { readonly hook: string; readonly id: number },
  query: ParsedQuery<'listRowCertificates'>,
): Promise<Certificates> {
  const found = HookName.safeParse(hook).success ? await replays.ofRow({ hook, id }, query) : undefined;
  if (found) return found;
  throw new OsaError('not_found', `no row ${hook}/${id} is published`, { details: { hook, id } });
}

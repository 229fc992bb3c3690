import { takenBatches } from './holds.ts';
import type { Model } from './model.ts';
import type { State, StoredEvent } from './state.ts';
import type { Report } from './violations.ts';

/** I9: the outbox holds every event once, in the transaction in which it happened. */
export function checkEvents(state: State, model: Model, report: Report): void {
  const tell: Tell = (what, count, wanted = 1) => {
    if (count === wanted) return;
    report('I9', `${what}: told of ${count} times, not ${wanted}`, count < wanted ? 'lost' : 'duplicated');
  };
  checkRegistry(state, tell);
  checkBatches(state, tell);
  checkPauses(state, model, tell, report);
  checkRequests(state, model, tell, report);
}

/** Says so when something was not told of as often as it happened, which is once if nothing is said. */
type Tell = (what: string, count: number, wanted?: number) => void;

function checkRegistry({ deploys, changes, releases, events }: State, tell: Tell): void {
  const byDeploys = new Set(deploys.map(({ xact }) => xact));
  const count = (type: string, xact: string, payload: StoredEvent['payload']) =>
    events.filter((event) => event.type === type && event.xact === xact && says(event, payload)).length;
  for (const { id, xact } of deploys) {
    tell(`deploy ${id}`, count('convention.deployed', xact, { deploy: id }));
  }
  for (const { hook, seq, kind, xact } of changes) {
    if (kind === 'release') continue;
    const type = kind === 'rollback' ? 'hook.rolled_back' : 'hook.activated';
    tell(`change ${seq} of ${hook}`, count(type, xact, { hook, seq }));
  }
  const minted = releases.filter(({ xact }) => !byDeploys.has(xact));
  for (const { hook, version, xact } of minted) {
    tell(`release ${version} of ${hook}`, count('hook.released', xact, { hook, version }));
  }
  const all = (types: readonly string[]) => events.filter(({ type }) => types.includes(type)).length;
  tell('all deploys', all(['convention.deployed']), deploys.length);
  tell(
    'all moves',
    all(['hook.rolled_back', 'hook.activated']),
    changes.filter((one) => one.kind !== 'release').length,
  );
  tell('all releases without a deploy', all(['hook.released']), minted.length);
}

function checkBatches({ batches, batchRecords, ingestions, events }: State, tell: Tell): void {
  const taken = takenBatches({ events, batches });
  const count = (type: string, payload: StoredEvent['payload']) =>
    events.filter((event) => event.type === type && says(event, payload)).length;
  const sum = (type: string, ingestion: string, field: string) =>
    events
      .filter((event) => event.type === type && says(event, { ingestion }))
      .reduce((total, { payload }) => total + Number(payload[field]), 0);
  const published = new Set(
    batchRecords.filter(({ status }) => status === 'published').map(({ batch }) => batch),
  );
  for (const { id, status, deposition } of batches) {
    // Nobody hears of a deposition that came back.
    const isTold = status === 'done' && (deposition === null || published.has(id));
    tell(`the end of batch ${id}`, count('batch.finished', { batch: id }), isTold ? 1 : 0);
    if (deposition !== null) {
      tell(
        `deposition ${deposition}, batch ${id}`,
        count('deposition.accepted', { batch: id }),
        isTold ? 1 : 0,
      );
    }
  }
  for (const { id } of ingestions) {
    const own = new Set(batches.filter(({ ingestion }) => ingestion === id).map((batch) => batch.id));
    const cancelled = batches.filter(
      (batch) => batch.ingestion === id && batch.status === 'failed' && !taken.has(batch.id),
    );
    const retried = batchRecords.filter(
      ({ batch, retried_in }) => own.has(batch) && !taken.has(batch) && retried_in !== null,
    );
    tell(`ingestion ${id}`, count('ingestion.sealed', { ingestion: id }));
    tell(`cancelled batches of ingestion ${id}`, sum('ingestion.cancelled', id, 'batches'), cancelled.length);
    tell(`records of ingestion ${id} tried again`, sum('ingestion.retried', id, 'retried'), retried.length);
  }
}

/** Pauses and their ends follow each other; a cancellation ends the pause of an ingestion, too. */
function checkPauses({ events }: State, model: Model, tell: Tell, report: Report): void {
  const told = Map.groupBy(
    events.filter(({ type }) => /^(hook|ingestion)\.(paused|resumed|cancelled)$/.test(type)),
    ({ payload }) => String(payload.hook ?? payload.ingestion),
  );
  for (const [of, own] of told) {
    let isPaused = false;
    for (const { type } of own) {
      if (!type.endsWith('.cancelled') && isPaused === type.endsWith('.paused')) {
        report('I9', `${of}: ${type} is in the outbox twice, or without the event before it`);
      }
      isPaused = type.endsWith('.paused');
    }
  }
  for (const { of, ackedAt } of model.pauses) {
    const wasTold = told.get(of)?.some(({ type }) => type.endsWith('.paused')) ?? false;
    if (ackedAt !== undefined) tell(`the pause of ${of}`, Number(wasTold));
  }
}

/** Each write that was answered well is accepted by the token of one of its tries; no other write is. */
function checkRequests({ events }: State, model: Model, tell: Tell, report: Report): void {
  const accepted = events.filter(({ type }) => type === 'request.accepted');
  const times = Map.groupBy(accepted, ({ payload }) => String(payload.jti));
  for (const { what, keyed, isPart, tokens, end, untold } of model.writes) {
    const count = tokens.reduce((sum, token) => sum + (times.get(token)?.length ?? 0), 0);
    for (const token of tokens) times.delete(token);
    if (isPart && count <= tokens.length) continue;
    // Without a key, every try is accepted; without an answer, the try may have been done.
    if (end === 'unknown' && count < 2) continue;
    if (end === 'done' && !keyed && count > 0 && count <= tokens.length) continue;
    tell(`the request ${what}`, count, end === 'refused' || untold ? 0 : 1);
  }
  for (const [token] of times) report('I9', `a request of nobody is accepted: ${token}`);
}

function says({ payload }: StoredEvent, wanted: StoredEvent['payload']): boolean {
  return Object.entries(wanted).every(([name, value]) => payload[name] === value);
}

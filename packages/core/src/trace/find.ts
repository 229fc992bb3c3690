import { validate as isUuid } from 'uuid';
import type { Answer } from '../api/index.ts';
import type { Principal } from '../auth/principal.ts';
import { grants } from '../auth/scope.ts';
import { HookName } from '../hook/hook.ts';
import { rangeOf } from '../ids.ts';
import { parseRecordSrn } from '../record/srn.ts';
import type { Store } from '../store.ts';

type Found = Answer<'findTraced'>['items'][number];
type Kind = Found['kind'];

const mostFound = 20;

/**
 * Finds everything that a text names by its form. A text with one form only is looked up all the same, so
 * that an empty answer means that nothing is there. Callers who may read ingestions then learn what came in and failed.
 */
export async function findTraced(
  store: Store,
  principal: Principal | undefined,
  { text, kind }: { readonly text: string; readonly kind?: Kind | undefined },
): Promise<Answer<'findTraced'>> {
  const finders: Readonly<Record<Kind, () => Promise<Found[]>>> = {
    row: () => findRow(store, text),
    record: () => findRecord(store, text),
    release: () => findRelease(store, text),
    source: () => findSource(store, text),
    run: () => findIds(store, text, 'run'),
    deploy: () => findIds(store, text, 'deploy'),
  };
  const asked = kind === undefined ? Object.values(finders) : [finders[kind]];
  const items = (await Promise.all(asked.map((find) => find()))).flat();
  return {
    items: items.slice(0, mostFound),
    has_more: items.length > mostFound,
    ...(items.length > 0 || !principal || (kind ?? 'source') !== 'source'
      ? { failed: [], ingestion: null }
      : await unpublished(store, principal, text)),
  };
}

async function unpublished(
  store: Store,
  principal: Principal,
  text: string,
): Promise<Pick<Answer<'findTraced'>, 'failed' | 'ingestion'>> {
  const mayRead = (convention: string) => grants(principal, 'ingestions:read', convention);
  const { failed } = store.stories.finds;
  const colon = text.indexOf(':');
  const named = colon > 0 ? failed(text.slice(colon + 1), text.slice(0, colon), mostFound) : [];
  const range = isUuid(text) ? rangeOf(text) : undefined;
  const [one, other, ingestions] = await Promise.all([
    named,
    failed(text, undefined, mostFound),
    range ? store.ids.between('ingestion', { ...range, limit: 1 }) : [],
  ]);
  const ingestion = ingestions.find(({ name }) => mayRead(name));
  return {
    failed: [...one, ...other].filter(({ convention }) => mayRead(convention)).slice(0, mostFound),
    ingestion: ingestion?.id ?? null,
  };
}

async function findRow(store: Store, text: string): Promise<Found[]> {
  const [, hook = '', id] = /^([a-z]\w*)\/([1-9]\d{0,15})$/.exec(text) ?? [];
  if (id === undefined || !HookName.safeParse(hook).success || !Number.isSafeInteger(Number(id))) return [];
  const trace = await store.tracer.row(hook, Number(id));
  return trace ? [{ kind: 'row', name: text, of: hook, at: trace.run.finished_at }] : [];
}

async function findRecord(store: Store, text: string): Promise<Found[]> {
  if (!parseRecordSrn(text)) {
    const [newest] = await recordVersions(store, text, 1);
    return newest
      ? [{ kind: 'record', name: newest.srn, of: newest.convention, at: newest.published_at }]
      : [];
  }
  const srn = text.trim().toLowerCase();
  const trace = await store.tracer.record(srn);
  if (!trace) return [];
  return [{ kind: 'record', name: srn, of: trace.record.convention, at: trace.record.published_at }];
}

/** The versions of a record that is named by its id, or by its SRN without a version; the newest first. */
export async function recordVersions(
  { stories }: Pick<Store, 'stories'>,
  text: string,
  most: number,
): ReturnType<Store['stories']['finds']['record']> {
  const name = text.trim().toLowerCase();
  const id = name.slice(name.lastIndexOf(':') + 1);
  if (!isUuid(id)) return [];
  const found = await stories.finds.record(id, most);
  return found.filter(({ srn }) => id === name || srn.startsWith(`${name}@`));
}

async function findRelease(store: Store, text: string): Promise<Found[]> {
  const release = parseRelease(text);
  if (!release) return [];
  const found = await store.registry.release(release.hook, release.version);
  if (!found) return [];
  return [
    { kind: 'release', name: `${release.hook}@${release.version}`, of: release.hook, at: found.built_at },
  ];
}

/** `hook@2` or `hook@v2`. */
export function parseRelease(text: string): { hook: string; version: number } | undefined {
  const [, hook = '', version] = /^([a-z][a-z0-9_]*)@v?([1-9]\d{0,8})$/.exec(text) ?? [];
  return version !== undefined && HookName.safeParse(hook).success
    ? { hook, version: Number(version) }
    : undefined;
}

/** A source id may hold a colon itself, so both readings count. */
async function findSource(store: Store, text: string): Promise<Found[]> {
  const { sources } = store.stories.finds;
  const colon = text.indexOf(':');
  const named = colon > 0 ? sources(text.slice(colon + 1), text.slice(0, colon), mostFound) : [];
  const [one, other] = await Promise.all([named, sources(text, undefined, mostFound + 1)]);
  return [...one, ...other];
}

/** Fewer than 8 characters of an id could be part of any text. */
async function findIds(store: Store, text: string, kind: 'run' | 'deploy'): Promise<Found[]> {
  if (!/^[0-9a-f]{8}[0-9a-f-]{0,28}$/i.test(text)) return [];
  const range = rangeOf(text);
  return range === undefined ? [] : store.stories.finds.ids(range, kind, mostFound + 1);
}

import type { Answer, ParsedBody } from '@osa/core/api';
import type { Principal } from '@osa/core/auth/principal';
import { DeployRequest } from '@osa/core/convention/convention';
import { deploy } from '@osa/core/convention/deploy';
import { asOsaError, type OsaError } from '@osa/core/error';
import { release } from '@osa/core/hook/mint';
import { sha256 } from '@osa/core/hook/release';
import type { Database } from '@osa/core/postgres/connection/connect';
import type { Store } from '@osa/core/store';
import { admin } from './database.ts';

/** Small conventions with hooks of one number, for the tests of the registry. */

/** A digest made of any text. */
export function digestOf(seed: string | number): string {
  return `sha256:${sha256(String(seed))}`;
}

/** Code that a release may run, and where it comes from. */
export function codeOf(seed: string | number): { digest: string; source_ref: string } {
  return { digest: digestOf(seed), source_ref: `git:${seed}` };
}

export function person(...scopes: string[]): Principal {
  return { issuer: 'test', subject: scopes.join(' ') || 'nobody', scopes: new Set(scopes) };
}

/** The part of a hook's declaration that a test cares for. */
export interface Declared {
  readonly name: string;
  readonly digest?: string;
  readonly config?: Readonly<Record<string, unknown>>;
  readonly limits?: object;
  readonly columns?: readonly object[];
  readonly release?: object;
}

export function declaration({ name, digest = digestOf(1), columns, release, ...rest }: Declared): object {
  return {
    name,
    feature: {
      cardinality: 'one',
      columns: columns ?? [{ name: 'value', json_type: 'number', required: true }],
    },
    release: { image: `registry.example/${name}:latest`, digest, source_ref: 'git:1', ...release },
    ...rest,
  };
}

/** A deploy of the convention `slug`, whose schema has the slug's name. */
export function request(slug: string, hooks: readonly Declared[], overrides: object = {}): DeployRequest {
  return DeployRequest.parse({
    slug,
    title: `Convention ${slug}`,
    description: 'A convention for tests',
    schema: {
      id: slug,
      version: '1.0.0',
      fields: [{ name: 'value', type: 'number', required: true, cardinality: 'exactly_one' }],
    },
    file_requirements: { accepted_types: [], max_count: 0 },
    hooks: hooks.map(declaration),
    ...overrides,
  });
}

/** Deploys, as somebody who may do all. */
export async function deployed(
  store: Store,
  slug: string,
  hooks: readonly Declared[],
  options: { readonly activate?: boolean; readonly overrides?: object } = {},
): Promise<Answer<'deploy'>> {
  const { activate = false, overrides = {} } = options;
  return deploy(store, { principal: admin }, request(slug, hooks, overrides), { activate });
}

/** Mints a release, as somebody who may do all. */
export async function minted(
  store: Store,
  hook: string,
  body: Partial<ParsedBody<'release'>>,
): Promise<Answer<'release'>> {
  return release(store, { principal: admin }, hook, { live: true, ...body });
}

/** A hook with the releases 1 to `versions`, the last one live. Release n has the digest of `<hook> <n>`. */
export async function hookWith(store: Store, hook: string, versions: number): Promise<void> {
  await deployed(store, `of-${hook.replaceAll('_', '-')}`, [{ name: hook, digest: digestOf(`${hook} 1`) }]);
  for (let version = 2; version <= versions; version += 1) {
    await minted(store, hook, codeOf(`${hook} ${version}`));
  }
}

/** The refusal that `promise` ends in. */
export async function refusal(promise: Promise<unknown>): Promise<OsaError> {
  const error = await promise.then(
    (answer) => new Error(`it was not refused: ${JSON.stringify(answer)}`),
    (caught: unknown) => caught,
  );
  const refused = asOsaError(error);
  if (!refused) throw error;
  return refused;
}

export type Change = Answer<'history'>['changes'][number];

/** The whole history of a hook, oldest first. */
export async function historyOf(store: Store, hook: string): Promise<Change[]> {
  const answer = await store.registry.history(hook, { limit: 1_000 });
  if (!answer || answer.next_cursor) throw new Error(`the history of ${hook} is not on one page`);
  return answer.changes.toReversed();
}

export async function liveOf(store: Store, hook: string): Promise<number | undefined> {
  return (await store.registry.hook(hook))?.live?.version;
}

/** The moves of a history as text: `-1 1-2 2-1`. */
export function moves(changes: readonly Change[]): string {
  return changes.map(({ from_version, to_version }) => `${from_version ?? ''}-${to_version}`).join(' ');
}

/** How many rows each table has, and how many feature tables there are, counted in the catalog. */
export async function rowCounts({ sql }: Database): Promise<Readonly<Record<string, number>>> {
  const tables = await sql<{ name: string }[]>`
    select relname::text as name from pg_catalog.pg_class
    where relkind = 'r' and relnamespace = 'public'::regnamespace order by 1`;
  const counts = tables.map(
    ({ name }) => `select '${name}' as name, count(*)::integer from public."${name}"`,
  );
  const features = `select 'features.*', count(*)::integer from pg_catalog.pg_class
    where relkind = 'r' and relnamespace = 'features'::regnamespace`;
  const rows = await sql.unsafe<{ name: string; count: number }[]>([...counts, features].join(' union all '));
  return Object.fromEntries(rows.map(({ name, count }) => [name, count]));
}

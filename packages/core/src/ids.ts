import type { Answer } from './api/index.ts';
import type { Principal } from './auth/principal.ts';
import { grants, type ScopeVerb } from './auth/scope.ts';
import { reviewScope } from './deposition/access.ts';
import { OsaError } from './error.ts';
import type { IdKind, IdRange, Store } from './store.ts';

/** Matches that are answered, and those that are looked through for what the caller may read. */
const [mostAnswered, mostSeen] = [10, 1_000];

/**
 * The ids that begin with `prefix`, among those that the caller may read.
 *
 * @throws OsaError `invalid` (no id begins so), `missing_token` for ids that not everybody may read
 */
export async function findIds(
  store: Store,
  principal: Principal | undefined,
  { kind, prefix }: { readonly kind: IdKind; readonly prefix: string },
): Promise<Answer<'findIds'>> {
  const { look, mayRead } = readerOf(store, principal, kind);
  const range = rangeOf(prefix);
  if (!range) {
    throw new OsaError('invalid', `prefix: ${prefix} is not the beginning of an id; copy it from a list`, {
      field: 'prefix',
    });
  }
  const found = await look({ ...range, limit: mostSeen });
  const readable = found.filter(({ name }) => mayRead(name));
  // Beyond what was looked through there may be more.
  const has_more = readable.length > mostAnswered || found.length === mostSeen;
  return { items: readable.slice(0, mostAnswered), has_more };
}

/** Verbs that reading these ids needs; other ids are public. */
const readVerbs: Readonly<Partial<Record<IdKind, ScopeVerb>>> = {
  ingestion: 'ingestions:read',
  run: 'runs:read',
  deposition: 'depositions:review',
};

interface IdReader {
  look(range: IdRange): Promise<Answer<'findIds'>['items']>;
  mayRead(name: string): boolean;
}

function readerOf({ ids }: Store, principal: Principal | undefined, kind: IdKind): IdReader {
  const verb = readVerbs[kind];
  if (verb && !principal) throw new OsaError('missing_token', `ids of ${kind}s need a token; sign one`);
  if (kind === 'deposition') {
    const reader = principal && { owner: principal, review: reviewScope(principal) };
    return { look: async (range) => (reader ? ids.depositions(reader, range) : []), mayRead: () => true };
  }
  return {
    look: (range) => ids.between(kind, range),
    mayRead: (name) => !verb || (principal !== undefined && grants(principal, verb, name)),
  };
}

/** The first and last id that begin with `prefix`; undefined when no id does. */
export function rangeOf(prefix: string): Omit<IdRange, 'limit'> | undefined {
  const digits = prefix.toLowerCase().replaceAll('-', '');
  const [first, last] = ['0', 'f'].map((fill) => uuidOf(digits.padEnd(32, fill)));
  if (first === undefined || last === undefined || !first.startsWith(prefix.toLowerCase())) return undefined;
  return { first, last };
}

function uuidOf(digits: string): string {
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

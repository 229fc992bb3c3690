import type { ParsedBody } from '../api/index.ts';
import { requireScope } from '../auth/scope.ts';
import { unknownConvention } from '../convention/convention.ts';
import { OsaError } from '../error.ts';
import { unknownHook, unknownRelease } from '../hook/hook.ts';
import type { StoredHook } from '../hook/registry.ts';
import { listed } from '../recompute/listed.ts';
import type { Store, Writer } from '../store.ts';
import { type Comparison, unknownComparison } from './comparisons.ts';

/**
 * Asks for a comparison; a worker makes it. By default all records of the hook are compared.
 *
 * @throws OsaError `not_found` (hook, release, convention, records), `invalid` (columns, or nothing to compare with),
 * `access_denied`
 */
export async function compare(
  store: Store,
  writer: Writer,
  hookName: string,
  request: ParsedBody<'compare'>,
): Promise<Comparison> {
  requireScope(writer.principal, 'hooks:write', hookName);
  return store.write(writer, async ({ registry, recomputes, comparisons, event }) => {
    const [hook] = await registry.hooks([hookName]);
    if (!hook) throw unknownHook(hookName);
    const { version, against, convention, sample, records, seed, tolerances, keys, reason } = request;
    requireRelease(hook, version, 'version');
    if (against !== undefined) requireRelease(hook, against, 'against');
    if (against === version) {
      throw new OsaError('invalid', `against: v${version} is compared with itself; name another release`, {
        field: 'against',
      });
    }
    requireColumns(hook, tolerances, keys);
    if (convention !== undefined && !(await registry.convention(convention))) {
      throw unknownConvention(convention, 'convention');
    }
    if (records && sample !== undefined) {
      throw new OsaError('invalid', 'sample: records are drawn or named; give one of them', {
        field: 'sample',
      });
    }
    const list = records
      ? await listed(recomputes, hook.name, { records, convention: convention ?? null })
      : null;
    const made = await comparisons.create({
      ...{ hook: hook.name, version, against: against ?? null, convention: convention ?? null },
      ...{ seed, sample: sample ?? null, srns: list?.map(({ srn }) => srn) ?? null, tolerances, keys },
      reason: reason ?? null,
    });
    await event('comparison.created', { comparison: made.id, hook: hook.name, version });
    return made;
  });
}

/** @throws OsaError `not_found` */
export async function showComparison({ comparisons }: Store, id: string): Promise<Comparison> {
  const found = await comparisons.show(id);
  if (!found) throw unknownComparison(id);
  return found;
}

function requireRelease({ name, releaseCount }: StoredHook, version: number, field: string): void {
  if (version > releaseCount) throw unknownRelease({ name, release_count: releaseCount }, version, field);
}

/** A tolerance is for numbers, and a key for rows of which a record may have many. */
function requireColumns(
  { name, feature }: StoredHook,
  tolerances: ParsedBody<'compare'>['tolerances'],
  keys: readonly string[],
): void {
  const types = new Map(feature.columns.map((column) => [column.name, column.json_type]));
  for (const column of [...Object.keys(tolerances), ...keys]) {
    if (types.has(column)) continue;
    throw new OsaError(
      'invalid',
      `${column} is no column of ${name}; it has ${[...types.keys()].join(', ')}`,
      {
        field: column,
      },
    );
  }
  for (const [column, { any }] of Object.entries(tolerances)) {
    const type = types.get(column);
    if (any || type === 'number' || type === 'integer') continue;
    throw new OsaError(
      'invalid',
      `tolerances.${column}: only numbers have a size, and it is ${type}; "any" lets it differ`,
      {
        field: `tolerances.${column}`,
      },
    );
  }
  if (keys.length > 0 && feature.cardinality === 'one') {
    throw new OsaError('invalid', `keys: a record has one row of ${name}, so nothing is matched`, {
      field: 'keys',
    });
  }
}

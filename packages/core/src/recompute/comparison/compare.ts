import type { Answer, ParsedBody } from '../../api/index.ts';
import type { Principal } from '../../auth/principal.ts';
import { grants, requireScope } from '../../auth/scope.ts';
import { mayReadRuns } from '../../auth/visibility.ts';
import { unknownConvention } from '../../convention/convention.ts';
import { OsaError } from '../../error.ts';
import { unknownHook, unknownRelease } from '../../hook/hook.ts';
import type { Page, StoredHook } from '../../hook/registry.ts';
import type { Store, Writer } from '../../store.ts';
import { listed } from '../listed.ts';
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
export async function showComparison(
  { comparisons }: Store,
  principal: Principal | undefined,
  id: string,
): Promise<Comparison> {
  const found = await comparisons.show(id);
  if (!found) throw unknownComparison(id);
  return hideValues(found, principal);
}

export async function listComparisons(
  { comparisons }: Store,
  principal: Principal | undefined,
  hook: string,
  page: Page,
): Promise<Answer<'listComparisons'>> {
  const { items, ...rest } = await comparisons.list(hook, page);
  return { items: items.map((item) => hideValues(item, principal)), ...rest };
}

/**
 * A release that is not live computes values that nobody may have decided to show. They are for readers of its runs and for
 * those who could make it live; everybody else sees the counts.
 */
function hideValues(comparison: Comparison, principal: Principal | undefined): Comparison {
  const { report } = comparison;
  if (!report) return comparison;
  if (mayReadValues(comparison, principal))
    return { ...comparison, report: { ...report, shows_values: true } };
  const columns = report.columns.map((column) => ({ ...column, max_abs: null, max_rel: null }));
  return { ...comparison, report: { ...report, shows_values: false, columns, examples: [] } };
}

function mayReadValues({ hook_name, deploy }: Comparison, principal: Principal | undefined): boolean {
  if (!principal) return false;
  return (
    mayReadRuns(principal, hook_name) ||
    grants(principal, 'hooks:write', hook_name) ||
    (deploy !== null && grants(principal, 'conventions:write', deploy.slug))
  );
}

function requireRelease({ name, releaseCount }: StoredHook, version: number, field: string): void {
  if (version > releaseCount) throw unknownRelease({ name, release_count: releaseCount }, version, field);
}

/** A tolerance is for numbers, and a key for rows of which a record may have many. `at` says where the request has them. */
export function requireColumns(
  { name, feature }: Pick<StoredHook, 'name' | 'feature'>,
  tolerances: ParsedBody<'compare'>['tolerances'],
  keys: readonly string[],
  at = { tolerances: 'tolerances', keys: 'keys' },
): void {
  const types = new Map(feature.columns.map((column) => [column.name, column.json_type]));
  const named = [
    ...Object.keys(tolerances).map((column) => ({ column, field: `${at.tolerances}.${column}` })),
    ...keys.map((column, index) => ({ column, field: `${at.keys}[${index}]` })),
  ];
  for (const { column, field } of named) {
    if (types.has(column)) continue;
    const columns = [...types.keys()].join(', ');
    throw new OsaError('invalid', `${field}: ${column} is not a column of ${name}; it has ${columns}`, {
      field,
    });
  }
  for (const [column, { any }] of Object.entries(tolerances)) {
    const type = types.get(column);
    if (any || type === 'number' || type === 'integer') continue;
    const field = `${at.tolerances}.${column}`;
    const message = `${field}: only numbers have a size, and it is ${type}; "any" lets it differ`;
    throw new OsaError('invalid', message, { field });
  }
  if (keys.length > 0 && feature.cardinality === 'one') {
    const field = at.keys;
    throw new OsaError('invalid', `${field}: a record has one row of ${name}, so nothing is matched`, {
      field,
    });
  }
}

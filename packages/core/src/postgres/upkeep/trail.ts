import type { Check } from './faults.ts';

/** The releases and moves that have an event of their own. */
const told = `told as materialized (
  select type, payload from events where type in ('hook.released', 'hook.activated', 'hook.rolled_back'))`;

/** The releases and moves of each deploy, with the source that its manifest names; the manifest has a digest. */
const declared = `declared as materialized (
  select d.id as deploy, d.actor, h.change ->> 'name' as hook, (h.change ->> 'version')::integer as version,
    h.change ->> 'release' = 'created' as is_new, m.hook #>> '{release,source_ref}' as source_ref,
    case when (h.change ->> 'activated')::boolean then 'activate'
         when h.change ->> 'release' = 'created' and not coalesce((h.change ->> 'held')::boolean, false) then 'release'
    end as kind,
    case when (h.change ->> 'activated')::boolean then 'deploy --activate' end as reason
  from deploys d
  cross join lateral jsonb_array_elements(d.changes -> 'hooks') as h (change)
  left join lateral jsonb_array_elements(d.manifest -> 'hooks') as m (hook) on m.hook ->> 'name' = h.change ->> 'name')`;

/**
 * Compares what is stored twice: a row, and the event or the deploy that its transaction wrote with it. A change of one of
 * them alone is seen. Events of these types are never pruned.
 */
export const trailChecks: readonly Check[] = [
  {
    of: 'deploys',
    sql: compared({
      ...paired('deploys', { type: 'convention.deployed', key: 'deploy' }),
      values: [
        ['convention', 't.slug', `e.payload ->> 'slug'`],
        ['changed', 't.changed::text', `e.payload ->> 'changed'`],
        ['actor', 't.actor::text', `e.payload ->> 'actor'`],
        ['time', 't.at', 'e.at'],
      ],
    }),
  },
  {
    of: 'exchanges',
    sql: compared({
      ...paired('exchanges', { type: 'token.exchanged', key: 'exchange' }),
      values: [
        ['claims', 't.claims', `e.payload - '{exchange,publisher,scopes,actor,request_id}'::text[]`],
        ['publisher', 't.publisher::text', `e.payload ->> 'publisher'`],
        ['actor', 't.actor::text', `e.payload ->> 'actor'`],
        ['time', 't.at', 'e.at'],
      ],
    }),
  },
  {
    of: 'live_changes',
    sql: compared({
      from: `(select * from events where type in ('hook.activated', 'hook.rolled_back')) e
        left join live_changes c on (c.hook, c.seq) = (e.payload ->> 'hook', (e.payload ->> 'seq')::integer)`,
      name: `format('%s #%s', e.payload ->> 'hook', e.payload ->> 'seq')`,
      missing: `case when c.seq is null then 'the trail has it, and it is not there' end`,
      values: [
        ['kind', `c.kind`, `case e.type when 'hook.activated' then 'activate' else 'rollback' end`],
        ['beginning', `'v' || c.from_version`, `'v' || (e.payload ->> 'from')`],
        ['end', `'v' || c.to_version`, `'v' || (e.payload ->> 'to')`],
        ['reason', 'c.reason', `e.payload ->> 'reason'`],
        ['actor', 'c.actor::text', `e.payload ->> 'actor'`],
      ],
    }),
  },
  {
    // Moves that come with a release or with a deploy have no event of their own.
    of: 'live_changes',
    sql: `
      with ${told}, ${declared}
      select format('%s #%s', c.hook, c.seq) as name,
        format('neither the trail nor a deploy has a move to v%s of this kind by actor %s', c.to_version, c.actor) as problem
      from live_changes c
      where not exists (
          select from told e
          where e.type <> 'hook.released'
            and (e.payload ->> 'hook', e.payload ->> 'seq') = (c.hook, c.seq::text))
        and not exists (
          select from told e
          where e.type = 'hook.released' and (e.payload ->> 'live')::boolean and c.kind = 'release'
            and (e.payload ->> 'hook', e.payload ->> 'version', e.payload ->> 'actor')
              = (c.hook, c.to_version::text, c.actor::text))
        and not exists (
          select from declared d
          where (d.hook, d.version, d.actor) = (c.hook, c.to_version, c.actor)
            and d.kind = c.kind and c.reason is not distinct from d.reason)`,
  },
  {
    of: 'releases',
    sql: `
      with ${told}, ${declared}
      select format('%s v%s', r.hook, r.version) as name,
        format('neither the trail nor a deploy has it as built by actor %s', r.built_by) as problem
      from releases r
      where not exists (
          select from told e
          where e.type = 'hook.released'
            and (e.payload ->> 'hook', e.payload ->> 'version', e.payload ->> 'actor')
              = (r.hook, r.version::text, r.built_by::text))
        and not exists (
          select from declared d
          where d.is_new and (d.hook, d.version, d.actor) = (r.hook, r.version, r.built_by))`,
  },
  {
    of: 'releases',
    sql: `
      with ${declared}
      select format('%s v%s', r.hook, r.version) as name,
        format('its source is %s, and %s in the manifest of deploy %s', r.source_ref, d.source_ref, d.deploy) as problem
      from releases r join declared d on d.is_new and (d.hook, d.version) = (r.hook, r.version)
      where r.source_ref is distinct from d.source_ref`,
  },
  {
    // The certificate of a whole run names the digest that the run had.
    of: 'runs',
    sql: `
      select r.id as name,
        format('its output has the digest %s, and had %s when it was replayed', coalesce(r.output_digest, '-'), c.stored_digest)
          as problem
      from replay_certificates c join runs r on r.id = c.run
      where c.outcome is null and c.stored_digest is not null and r.output_digest is distinct from c.stored_digest`,
  },
];

interface Compared {
  readonly from: string;
  readonly name: string;
  /** The problem where one of the two is not there; null where both are. */
  readonly missing: string;
  /** Names for people, each with the expression of the row and that of the trail. */
  readonly values: readonly (readonly [string, string, string])[];
}

/** The rows `t` of `table`, each with the event `e` of `type` that has its id under `key`. */
function paired(table: string, { type, key }: { readonly type: string; readonly key: string }) {
  const named = `e.payload ->> '${key}'`;
  return {
    from: `${table} t full join (select * from events where type = '${type}') e on ${named} = t.id::text`,
    name: `coalesce(t.id::text, ${named})`,
    missing: `case when t.id is null then 'the trail has it, and it is not there'
      when e.id is null then 'the trail does not have it' end`,
  };
}

function compared({ from, name, missing, values }: Compared): string {
  const differences = values.map(
    ([what, own, trail]) => `case when ${own} is distinct from ${trail}
      then format('its ${what} is %s, and %s in the trail', coalesce((${own})::text, '-'), coalesce((${trail})::text, '-')) end`,
  );
  return `
    select * from (
      select ${name} as name, coalesce(${missing}, concat_ws('; ', ${differences.join(', ')})) as problem from ${from}) c
    where problem <> ''`;
}

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { commit, named, rows } from '../support/database/commit-by-hand.ts';
import { attack, attackedDatabase, expectRefused, rehearse, state } from '../support/database/sql-attack.ts';

/**
 * The functions and triggers cannot be led astray. A cloned database lets everybody make temporary objects, which a
 * migrated one does not, so that what holds here holds without that bolt.
 */

let a: Awaited<ReturnType<typeof attackedDatabase>>;
beforeAll(async () => {
  a = await attackedDatabase();
});
afterAll(() => a.close());

const refuses = (code: string, statements: string) => expectRefused(a, 'app', [code], statements);

test('every function fixes its search path, and few run as the owner', async () => {
  const functions = await a.owner.sql<{ name: string; definer: boolean; path: string }[]>`
    select proname as name, prosecdef as definer,
           (select setting from unnest(proconfig) setting where setting like 'search_path=%') as path
    from pg_proc where pronamespace in ('public'::regnamespace, 'features'::regnamespace, 'current'::regnamespace, 'records'::regnamespace)`;
  expect(functions.length).toBeGreaterThan(10);
  expect(functions.filter(({ path }) => path !== 'search_path=pg_catalog, pg_temp')).toEqual([]);
  expect(
    functions
      .filter(({ definer }) => definer)
      .map(({ name }) => name)
      .sort(),
  ).toEqual([
    'count_published',
    'count_recomputed',
    'create_feature_table',
    'create_record_view',
    'drop_held',
    'follow_batch',
    'note_events',
    'note_submission',
    'order_events',
  ]);
});

/** A type of this name that turns into the real one, with nothing in it. */
const emptied = (type: string, empty: string) => `
  create type pg_temp.${type} as (nothing int);
  create function pg_temp.as_${type}(pg_temp.${type}) returns pg_catalog.${type} language sql as 'select ${empty}';
  create function pg_temp.to_${type}(pg_catalog.${type}) returns pg_temp.${type} language sql as 'select null::pg_temp.${type}';
  create cast (pg_temp.${type} as pg_catalog.${type}) with function pg_temp.as_${type}(pg_temp.${type}) as implicit;
  create cast (pg_catalog.${type} as pg_temp.${type}) with function pg_temp.to_${type}(pg_catalog.${type}) as assignment;`;

describe.each([
  ['before everything', 'set local search_path = pg_temp, pg_catalog, public'],
  ['by default', "set local search_path = '$user', public"],
])('temporary objects that stand %s', (_, path) => {
  const shadows = (...tables: string[]) =>
    tables
      .map((table) => `create temporary table ${table} (like public.${table}) on commit drop;`)
      .join('\n');

  test('are made at all', async () => {
    expect(
      await rehearse(
        a.app,
        `${path}; ${shadows('outcomes')} ${emptied('jsonb', "''{}''::pg_catalog.jsonb")}`,
      ),
    ).toBe('done');
  });

  test('types do not open what has ended', async () => {
    const types = emptied('jsonb', "''{}''::pg_catalog.jsonb");
    await refuses(
      '42501',
      named(a, `${path}; ${types} update public.runs set reason = 'forged' where batch = $done`),
    );
    await refuses('42501', named(a, `${path}; ${types} update public.attempts set log = 'x'`));
    await refuses('23503', `${path}; ${types} update public.conventions set title = 'forged'`);
  });

  test('types do not make an old outcome a fresh one', async () => {
    const types = `create domain pg_temp.xid as pg_catalog.xid; create domain pg_temp.record as pg_catalog.text;`;
    const late = rows('radius', 'same', '(1)')
      .replace('$held', '$done')
      .replaceAll('from outcomes', 'from public.outcomes');
    await refuses('23503', named(a, `${path}; ${types} ${late}`));
  });

  test('tables do not vouch for what is not there', async () => {
    const tables = shadows(
      'outcomes',
      'runs',
      'batches',
      'releases',
      'attempts',
      'batch_records',
      'hooks',
      'deploys',
      'records',
    );
    const forged = `insert into pg_temp.outcomes select * from public.outcomes;
      update pg_temp.outcomes set batch = batch;
      insert into pg_temp.deploys select id, 'quakes', manifest, manifest_digest, changed, changes, actor, now() from public.deploys limit 1;
      update pg_temp.hooks set live_seq = 9, release_count = 9;
      insert into pg_temp.hooks select * from public.hooks; update pg_temp.hooks set live_seq = 9, release_count = 9;`;
    const row = `insert into features.radius (outcome_id, run_id, ordinal, value)
      select id, run, 1, 9 from pg_temp.outcomes where hook = 'radius' and status = 'passed'`;
    await refuses('23503', `${path}; ${tables} ${forged} ${row}`);
    const change =
      "insert into public.live_changes (hook, seq, from_version, to_version, kind, actor) values ('energy', 4, 1, 2, 'activate', 1)";
    await refuses('23503', `${path}; ${tables} ${forged} ${change}`);
    await refuses('23503', `${path}; ${tables} ${forged} update public.conventions set title = 'forged'`);
    const inserted = `create temporary table inserted (like features.radius) on commit drop;`;
    await refuses('23503', `${path}; ${tables} ${inserted} ${forged} ${row}`);
  });

  test('tables do not give a hook another contract', async () => {
    const forged = `${shadows('hooks')} insert into pg_temp.hooks (name, owner, feature, release_count, created_at)
      values ('forged', 'quakes', '{"cardinality": "one", "columns": []}', 0, now());`;
    await refuses('P0002', `${path}; ${forged} select public.create_feature_table('forged')`);
  });

  test('functions are not found', async () => {
    const functions = `create function pg_temp.pg_current_xact_id() returns xid8 language sql as 'select ''1''::xid8';
      create function pg_temp.format(text, text) returns text language sql as 'select ''public.hooks''::text';
      create function pg_temp.to_regclass(text) returns regclass language sql as 'select ''public.hooks''::regclass';
      create function pg_temp.refuse_rewrite() returns trigger language plpgsql as 'begin return new; end';`;
    const late = rows('radius', 'same', '(1)')
      .replace('$held', '$done')
      .replaceAll('from outcomes', 'from public.outcomes');
    await refuses('23503', named(a, `${path}; ${functions} ${late}`));
    await refuses(
      '42501',
      named(a, `${path}; ${functions} update public.runs set reason = 'x' where batch = $done`),
    );
    const bare = `insert into public.hooks (name, owner, feature) values ('bare', 'quakes', '{"cardinality": "one", "columns": []}')`;
    await refuses('23503', `${path}; ${functions} ${bare}`);
  });
});

test('settings of a session do not weaken a check', async () => {
  for (const setting of [
    'set constraints all deferred',
    'set transaction isolation level repeatable read',
    'set transaction isolation level serializable',
    'set local plan_cache_mode = force_generic_plan',
    'set local enable_indexscan = off; set local enable_nestloop = off',
    'set local check_function_bodies = off',
    'set local row_security = off',
  ]) {
    await refuses('23503', named(a, `${setting}; ${commit(a, { radius: '', radiusRows: '' })}`));
    await refuses('42501', named(a, `${setting}; update runs set reason = 'x' where batch = $done`));
    await refuses(
      '23503',
      `${setting}; update hooks set live_seq = 4, live_version = 2 where name = 'energy'`,
    );
  }
});

const declare = (feature: string, name = 'fresh') =>
  `insert into hooks (name, owner, feature) values ('${name}', 'quakes', '${feature.replaceAll("'", "''")}'); select create_feature_table('${name}')`;
const column = (fields: Readonly<Record<string, unknown>>) =>
  declare(
    JSON.stringify({
      cardinality: 'one',
      columns: [{ name: 'x', json_type: 'number', required: true, ...fields }],
    }),
  );

test('a declared hook gets its table, once, with a column of each type', async () => {
  const types = [
    ['string'],
    ['string', 'date-time'],
    ['string', 'date'],
    ['string', 'uuid'],
    ['number'],
    ['integer'],
    ['boolean'],
    ['array'],
    ['object'],
  ];
  const columns = types.map(([json_type, format], index) => ({
    name: `c${index}`,
    json_type,
    format,
    required: index % 2 === 0,
  }));
  const statements = declare(JSON.stringify({ cardinality: 'many', columns }), 'every_type');
  expect(await attack(a.app, `${statements}; select create_feature_table('every_type')`)).toBe('done');
  const made = await a.owner.sql<{ type: string; required: boolean }[]>`
    select format_type(atttypid, atttypmod) as type, attnotnull as required from pg_attribute
    where attrelid = 'features.every_type'::regclass and attname ~ '^c[0-9]' order by attnum`;
  expect(made.map(({ type }) => type)).toEqual([
    ...[
      'text',
      'timestamp with time zone',
      'date',
      'uuid',
      'double precision',
      'bigint',
      'boolean',
      'json',
      'json',
    ],
  ]);
  expect(made.map(({ required }) => required)).toEqual(columns.map(({ required }) => required));
});

test.each([
  ['42602', column({ name: 'x" text); drop table releases; --' })],
  ['42602', column({ name: 'X' })],
  ['42602', column({ name: '' })],
  ['42602', column({ name: null })],
  ['42602', column({ name: 'x'.repeat(64) })],
  ['42602', column({ name: 'a.b' })],
  ['42602', column({ name: 'ä' })],
  ['42602', column({ name: 'x\ny' })],
  ['42701', column({ name: 'id' })],
  ['42701', column({ name: 'run_id' })],
  ['42701', column({ name: 'xmin' })],
  ['42701', column({ name: 'release' })],
  ['42701', column({ name: 'record_srn' })],
  ['42602', column({ json_type: 'integer, y text' })],
  ['42602', column({ json_type: 'int' })],
  ['42602', column({ json_type: null })],
  ['22P02', column({ required: 'false, y text' })],
  ['42602', declare('{"cardinality": "one", "columns": ["x"]}')],
  [
    '54011',
    declare(
      JSON.stringify({
        cardinality: 'one',
        columns: Array.from({ length: 1_700 }, (_, i) => ({ name: `c${i}`, json_type: 'number' })),
      }),
    ),
  ],
  ['23514', declare('{"cardinality": "one", "columns": {}}')],
  ['23514', declare('{"cardinality": "one"}')],
  ['23514', declare('{"cardinality": "some", "columns": []}')],
  ['23514', declare('{"columns": []}')],
  ['23514', declare('{}')],
  ['23514', declare('null')],
])('%s for a hook that is declared like this: %s', async (code, statements) => {
  await refuses(code, statements);
});

test.each([
  '',
  'Energy',
  '1x',
  'a-b',
  'a.b',
  'a"b',
  'a; drop table hooks',
  'pg_x',
  'ä',
  'x'.repeat(41),
  ' x',
  'x\n',
])('no hook is named %j', async (name) => {
  await refuses('23514', declare('{"cardinality": "one", "columns": []}', name));
});

test.each([
  "'nobody'",
  "''",
  'null',
  "'Energy'",
  "'energy '",
  "'energy\"; drop table releases; --'",
  "'public.hooks'",
  "'../hooks'",
])('create_feature_table(%s) makes nothing', async (name) => {
  await refuses('P0002', `select create_feature_table(${name})`);
});

test('a table that is there already is left alone', async () => {
  const before = await state(a.owner);
  expect(
    await attack(
      a.app,
      "select create_feature_table('energy'); select create_feature_table(name) from hooks",
    ),
  ).toBe('done');
  expect(await state(a.owner)).toEqual(before);
});

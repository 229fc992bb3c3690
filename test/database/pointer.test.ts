import { DeployRequest } from '@osa/core/convention/convention';
import { deploy } from '@osa/core/convention/deploy';
import { postgresStore } from '@osa/core/postgres/store';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { admin, until } from '../support/database/database.ts';
import { attack, attackedDatabase, expectRefused, rehearse } from '../support/database/sql-attack.ts';

/**
 * Releases, live changes and the live pointer, against the application's role and the owner alike. `energy` has the
 * releases 1 and 2 and the changes null → 1 → 2 → 1; `radius` has release 1, by change 1.
 */

let a: Awaited<ReturnType<typeof attackedDatabase>>;
beforeAll(async () => {
  a = await attackedDatabase();
});
afterAll(() => a.close());

const move = (hook: string, seq: number, version: number) =>
  `update hooks set live_seq = ${seq}, live_version = ${version} where name = '${hook}';`;
const change = (hook: string, seq: number, from: number | null, to: number, kind = 'activate') =>
  `insert into live_changes (hook, seq, from_version, to_version, kind, actor)
   values ('${hook}', ${seq}, ${from}, ${to}, '${kind}', 1);`;
const count = (releases: number) => `update hooks set release_count = ${releases} where name = 'energy';`;
const release = (version: number, { fingerprint = 'f', digest = 'd', runtime = 'image' } = {}) =>
  `insert into releases (id, hook, version, runtime, image, digest, command, config, limits, fingerprint, source_ref, built_by)
   values (gen_random_uuid(), 'energy', ${version}, '${runtime}', ${runtime === 'image' ? "'x', " : 'null, '}
           'sha256:${digest.repeat(64)}', ${runtime === 'image' ? 'null' : "'[]'"}, '{}', '{}', '${fingerprint.repeat(64)}', 'git:1', 1);`;
const fingerprintOf2 = "(select fingerprint from releases where hook = 'energy' and version = 2)";
const table = '{"cardinality": "one", "columns": []}';

const accepted: readonly (readonly [string, string])[] = [
  ['a move with its change', move('energy', 4, 2) + change('energy', 4, 1, 2)],
  ['the change first, then the move', change('energy', 4, 1, 2) + move('energy', 4, 2)],
  [
    'two moves, one after the other',
    move('energy', 4, 2) +
      change('energy', 4, 1, 2) +
      move('energy', 5, 1) +
      change('energy', 5, 2, 1, 'rollback'),
  ],
  ['a release that is counted and not live', count(3) + release(3)],
  [
    'a release that goes live',
    count(3) + release(3) + move('energy', 4, 3) + change('energy', 4, 1, 3, 'release'),
  ],
];

const refused: readonly (readonly [string, string, string])[] = [
  [
    'the pointer moves without a sequence number',
    '42501',
    "update hooks set live_version = 2 where name = 'energy'",
  ],
  ['the pointer goes back to an older change', '42501', move('energy', 2, 2)],
  ['the pointer goes back to the first change', '42501', move('energy', 1, 1)],
  [
    'the pointer skips a number',
    '42501',
    move('energy', 5, 2) + change('energy', 4, 1, 2) + change('energy', 5, 2, 1),
  ],
  [
    'the pointer is taken away',
    '42501',
    "update hooks set live_seq = null, live_version = null where name = 'energy'",
  ],
  ['the pointer moves without a change', '23503', move('energy', 4, 2)],
  [
    'the pointer moves elsewhere than its change',
    '23503',
    move('energy', 4, 2) + change('energy', 4, 1, 1 + 2),
  ],
  [
    'db-04: the pointer moves to another hook’s release',
    '23503',
    move('radius', 2, 2) + change('radius', 2, 1, 2),
  ],
  ['the pointer moves by another hook’s change', '23503', move('radius', 2, 2) + change('energy', 4, 1, 2)],
  [
    'the pointer moves to a release that is not there',
    '23503',
    move('energy', 4, 3) + change('energy', 4, 1, 3),
  ],
  ['a change without a move', '23503', change('energy', 4, 1, 2)],
  ['a change that starts elsewhere', '23503', move('energy', 4, 1) + change('energy', 4, 2, 1)],
  ['a change that starts nowhere', '23514', move('energy', 4, 2) + change('energy', 4, null, 2)],
  ['a change that skips a number', '23503', change('energy', 5, 1, 2)],
  ['a second first change', '23505', change('energy', 1, null, 1)],
  ['a change that goes nowhere', '23514', move('energy', 4, 1) + change('energy', 4, 1, 1)],
  ['a rollback that goes forward', '23514', move('energy', 4, 2) + change('energy', 4, 1, 2, 'rollback')],
  [
    'a change for no reason that is known',
    '23514',
    move('energy', 4, 2) + change('energy', 4, 1, 2, 'forged'),
  ],
  ['a release that is not counted', '23503', release(3)],
  ['a count without a release', '23503', count(3)],
  ['a count that skips a number', '42501', count(4) + release(3)],
  ['a count that goes back', '42501', count(1)],
  ['a version that skips a number', '23503', count(3) + release(4)],
  ['a version that is there already', '23505', count(3) + release(2)],
  ['version 0', '23514', release(0)],
  [
    'the same code and settings as another version',
    '23505',
    count(3) + release(3).replace(`'${'f'.repeat(64)}'`, fingerprintOf2),
  ],
  ['a digest that is none', '23514', count(3) + release(3, { digest: 'x' })],
  ['a directory that was never stored', '23503', count(3) + release(3, { runtime: 'directory' })],
  [
    'a hook without a feature table',
    '23503',
    `insert into hooks (name, owner, feature) values ('bare', 'quakes', '${table}')`,
  ],
  ['a convention that changes without a deploy', '23503', "update conventions set title = 'forged'"],
  [
    'a convention that nobody deployed',
    '23503',
    "insert into conventions (slug, title, description, schema_id, schema_version, file_requirements) values ('forged', '', '', 'quake', '1.0.0', '{}')",
  ],
  ['a convention that loses its hooks without a deploy', '23503', 'delete from convention_hooks'],
  [
    'a convention that gains a hook without a deploy',
    '23503',
    `insert into hooks (name, owner, feature) values ('bare', 'quakes', '${table}');
    select create_feature_table('bare'); insert into convention_hooks (slug, position, hook) values ('quakes', 3, 'bare')`,
  ],
];

const refusedToTheOwner: readonly (readonly [string, string, string])[] = [
  ['a hook gets another contract', '42501', "update hooks set feature = '{}'"],
  ['a hook gets another owner', '42501', "update hooks set owner = 'forged'"],
  ['a hook is renamed', '42501', "update hooks set name = name || 'x'"],
  [
    'a hook that is made with its pointer set',
    '23503',
    `insert into hooks (name, owner, feature, live_seq, live_version) values ('bare', 'quakes', '${table}', 1, 1)`,
  ],
  ['a hook is deleted', '42501', 'delete from hooks'],
];

describe.each(['app', 'owner'] as const)('as the %s', (role) => {
  test.each(accepted)('%s is accepted', async (_, statements) => {
    expect(await rehearse(a[role], statements)).toBe('done');
  });

  const attacks = role === 'owner' ? [...refused, ...refusedToTheOwner] : refused;
  test.each(attacks)('%s: %s', async (_, code, statements) => {
    await expectRefused(a, role, [code], statements);
  });
});

test('db-05, -06: a writer that waits for a number takes it when it is given up, and there is no gap', async () => {
  const store = postgresStore(a.app, { domain: 'localhost' });
  const givenUp = new Error('given up');
  let waiting: ReturnType<typeof deploy> | undefined;
  const taking = a.owner.transaction(async (tx) => {
    await tx.unsafe(count(3) + release(3));
    waiting = deploy(store, { principal: admin }, thirdRelease);
    await until('the deploy to wait for the number', async () => {
      const [row] = await a.app.sql`
        select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
      return row !== undefined;
    });
    throw givenUp;
  });
  await expect(taking).rejects.toBe(givenUp);
  expect((await waiting)?.changes.hooks).toMatchObject([{ release: 'created', version: 3 }]);
  expect(await a.owner.sql`select version from releases where hook = 'energy' order by version`).toEqual([
    { version: 1 },
    { version: 2 },
    { version: 3 },
  ]);
  // No number of a release or of a change is drawn from a sequence, which gives none back.
  const [drawn] = await a.owner.sql<{ columns: number }[]>`
    select count(*)::int as columns from pg_attribute left join pg_attrdef on adrelid = attrelid and adnum = attnum
    where attrelid in ('hooks'::regclass, 'releases'::regclass, 'live_changes'::regclass)
      and (attidentity <> '' or pg_get_expr(adbin, adrelid) like '%nextval%')`;
  expect(drawn?.columns).toBe(0);
});

const thirdRelease = DeployRequest.parse({
  title: 'Quakes',
  description: 'd',
  file_requirements: { accepted_types: [], max_count: 0 },
  schema: {
    id: 'quake',
    version: '1.0.0',
    fields: [{ name: 'value', type: 'number', required: true, cardinality: 'exactly_one' }],
  },
  hooks: [
    {
      name: 'energy',
      feature: {
        cardinality: 'one',
        columns: [{ name: 'value', json_type: 'number', required: true }],
      },
      release: { image: 'x', digest: `sha256:${'9'.repeat(64)}`, source_ref: 'git:1' },
    },
  ],
});

describe('db-07: what a published record comes from and what came of it', () => {
  test.each([
    ...['records', 'batch_records', 'outcomes', 'runs', 'attempts', 'batches', 'ingestions'],
    ...['sources', 'releases', 'hooks', 'features.energy'],
  ])('is not deleted from %s, with whatever stands on it', async (table) => {
    const story = () => a.owner.sql`
      select r.srn, r.source_id, f.id, f.value, f.run_id, u.version from features.energy f
      join outcomes o on o.id = f.outcome_id join runs u on u.id = f.run_id
      join batch_records b on b.id = o.batch_record join published r on r.batch_record = b.id order by f.id`;
    const before = await story();
    expect(before).toHaveLength(3);
    for (const role of ['owner', 'app'] as const) {
      expect(await attack(a[role], `delete from ${table}`)).toBe('42501');
      expect(await attack(a[role], `truncate ${table} cascade`)).toBe('42501');
    }
    expect(await story()).toEqual(before);
  });

  test('and no foreign key passes a deletion or a change on', async () => {
    const keys = await a.owner.sql`
      select conname from pg_constraint where contype = 'f' and (confdeltype <> 'a' or confupdtype <> 'a')`;
    expect(keys).toEqual([]);
  });
});

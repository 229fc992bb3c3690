import { isDeepStrictEqual } from 'node:util';
import { deploy, planConvention } from '@osa/core/convention/deploy';
import type { DeployPlan } from '@osa/core/convention/plan';
import { asOsaError, type OsaError } from '@osa/core/error';
import { activate, rollback } from '@osa/core/hook/live';
import type { Database } from '@osa/core/postgres/connection/connect';
import { postgresStore } from '@osa/core/postgres/store';
import type { Store } from '@osa/core/store';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { admin, type TestDatabase, testDatabase } from '../support/database/database.ts';
import { observe, type Seen } from '../support/database/registry-observe.ts';
import {
  digestOf,
  minted,
  person,
  refusal,
  request,
  rowCounts,
} from '../support/database/registry-support.ts';

/**
 * A plan names each thing that the deploy then does, and nothing else. Each run has a small world of its own in one
 * database: two conventions, three hooks, three digests, two schema versions with variants of their one field. The
 * tables before and after are read without the code that plans.
 */

let database: TestDatabase;
let store: Store;
let owner: Database;
beforeAll(async () => {
  database = await testDatabase();
  store = postgresStore(database.open(database.appUrl), { domain: 'localhost' });
  owner = database.open(database.ownerUrl, { max: 1 });
});
afterAll(() => database.close());

const hooks = ['x', 'y', 'z'] as const;
const hookName = fc.constantFrom(...hooks);
const digest = fc.constantFrom('a', 'b', 'c').map(digestOf);
const config = fc.constantFrom<Record<string, number>>({}, { p: 1, q: 2 }, { q: 2, p: 1 }, { p: 2 });

const column = fc.constantFrom<object>(
  {},
  {},
  {},
  { description: 'Documented' },
  { unit: 'J' },
  { json_type: 'integer' },
);
const declared = fc.record({
  name: hookName,
  digest,
  config,
  limits: fc.constantFrom({ memory: '1g' }, { memory: '1024m' }, { memory: '2g' }),
  columns: column.map((other) => [{ name: 'value', json_type: 'number', required: true, ...other }]),
});
const field = fc.constantFrom<object>({}, {}, {}, {}, { description: 'Documented' }, { type: 'text' });
const ingester = fc.constantFrom(null, null, { image: 'feed', digest: digestOf('feed') });

const deployment = fc.record({
  slug: fc.constantFrom('alpha', 'beta'),
  title: fc.constantFrom('One', 'One', 'Two'),
  version: fc.constantFrom('1.0.0', '1.0.0', '1.1.0'),
  field,
  ingester,
  hooks: fc.uniqueArray(declared, { selector: ({ name }) => name, maxLength: 3 }),
  activate: fc.boolean(),
  scopes: fc.constantFrom<string[]>(['all'], ['all'], [], ['hooks:write:x*']),
});
/** Acts of operators between two deploys. */
const interlude = fc.oneof(
  fc.record({ kind: fc.constant('rollback' as const), hook: hookName }),
  fc.record({
    kind: fc.constant('activate' as const),
    hook: hookName,
    version: fc.integer({ min: 1, max: 3 }),
  }),
  fc.record({ kind: fc.constant('release' as const), hook: hookName, digest, config, live: fc.boolean() }),
);
type Deployment = typeof deployment extends fc.Arbitrary<infer T> ? T : never;
type Interlude = typeof interlude extends fc.Arbitrary<infer T> ? T : never;

const declaration = (name: (typeof hooks)[number], letter: string) => ({
  name,
  digest: digestOf(letter),
  config: {},
  limits: { memory: '1g' } as const,
  columns: [{ name: 'value', json_type: 'number', required: true }],
});
const first: Deployment = {
  slug: 'alpha',
  title: 'One',
  version: '1.0.0',
  field: {},
  ingester: null,
  hooks: [declaration('x', 'a'), declaration('y', 'a')],
  activate: false,
  scopes: ['all'],
};
const second: Deployment = { ...first, hooks: [declaration('x', 'b')] };
/** Holds each kind of end, so that none is left to chance: created, removed, activated, unchanged, refused, denied. */
const life: { first: Interlude | null; deployment: Deployment }[] = [
  { first: null, deployment: first },
  { first: null, deployment: second },
  { first: { kind: 'rollback', hook: 'x' }, deployment: { ...second, activate: true } },
  { first: null, deployment: second },
  { first: null, deployment: { ...second, field: { type: 'text' } } },
  { first: { kind: 'rollback', hook: 'x' }, deployment: { ...second, activate: true, scopes: [] } },
];

test('a plan names what the deploy then does, and writes nothing', async () => {
  let world = 0;
  const met = { pairs: 0, refused: 0, denied: 0, unchanged: 0, activated: 0, removed: 0 };
  const step = fc.record({ first: fc.option(interlude), deployment });
  const property = fc.asyncProperty(fc.array(step, { minLength: 6, maxLength: 6 }), async (steps) => {
    world += 1;
    for (const { first, deployment } of steps) {
      if (first) await operate(first, world);
      const { plan, error } = await planAndDeploy(deployment, world);
      met.pairs += 1;
      met.refused += Number(error?.code === 'conflict');
      met.denied += Number(error?.code === 'access_denied');
      met.unchanged += Number(plan?.changed === false);
      met.activated += Number(plan?.changes.hooks.some(({ activated }) => activated) ?? false);
      met.removed += Number((plan?.changes.removed_hooks.length ?? 0) > 0);
    }
  });
  await fc.assert(property, { numRuns: 50, examples: [[life]] });
  expect(met.pairs).toBeGreaterThanOrEqual(200);
  for (const [what, times] of Object.entries(met)) expect([what, times > 0]).toEqual([what, true]);
}, 180_000);

/** One pair of a state and a request. */
async function planAndDeploy(
  deployment: Deployment,
  world: number,
): Promise<{ plan: DeployPlan | undefined; error: OsaError | undefined }> {
  const { slug, title, version, field, ingester, activate, scopes } = deployment;
  const body = request(
    `${slug}-${world}`,
    deployment.hooks.map((hook) => ({ ...hook, name: `${hook.name}_${world}` })),
    {
      title,
      schema: {
        id: `world-${world}`,
        version,
        fields: [{ name: 'value', type: 'number', required: true, cardinality: 'exactly_one', ...field }],
      },
      ingester: ingester && { release: ingester },
    },
  );
  const principal = scopes.includes('all') ? admin : person('conventions:write', ...scopes);
  const before = await observe(owner, world);
  const counted = await rowCounts(owner);
  const planned = await settle(planConvention(store, principal, body, { activate }));
  expect(await rowCounts(owner)).toEqual(counted);
  expect(await observe(owner, world)).toEqual(before);

  const done = await settle(deploy(store, { principal }, body, { activate }));
  const after = await observe(owner, world);
  if (!planned.answer) {
    expect(planned.error?.code).toBe('access_denied');
    expect(done.error).toMatchObject({ code: 'access_denied', details: planned.error?.details });
    expect(after).toEqual(before);
    return { plan: undefined, error: done.error };
  }
  const plan = planned.answer;
  expect(plan.reasons.length > 0).toBe(plan.refused);
  if (plan.refused) {
    expect(done.error).toMatchObject({ code: 'conflict', message: plan.reasons.join('; ') });
    expect(done.error?.details.differences).toHaveLength(differencesOf(plan));
    expect(after).toEqual(before);
    return { plan, error: done.error };
  }
  expect(done.answer).toMatchObject({ slug: plan.slug, changed: plan.changed });
  expect(done.answer?.changes).toEqual(plan.changes);
  expectDone(plan, before, after);
  return { plan, error: undefined };
}

function differencesOf({ changes }: DeployPlan): number {
  return changes.schema_differences.length + changes.hooks.flatMap(({ differences }) => differences).length;
}

/** The tables have changed as the plan says, and no further. */
function expectDone({ slug, changed, changes }: DeployPlan, before: Seen, after: Seen): void {
  const { deploys, ...rest } = after;
  expect(deploys).toBe(before.deploys + 1);
  expect(changed).toBe(!isDeepStrictEqual({ ...rest, deploys: before.deploys }, before));

  const news = Object.keys(after.schemas).filter((version) => !(version in before.schemas));
  expect(news).toHaveLength(changes.schema === 'created' ? 1 : 0);

  const [old, current] = [before.conventions[slug], after.conventions[slug]];
  const differ = old ? Object.keys(old).filter((key) => !isDeepStrictEqual(old[key], current?.[key])) : [];
  expect(changes.convention).toBe(!old ? 'created' : differ.length > 0 ? 'updated' : 'unchanged');
  expect(changes.convention_fields.map(({ path }) => path).sort()).toEqual(differ.sort());
  const gone = (old?.hooks ?? []).filter((name) => !current?.hooks.includes(name));
  expect(changes.removed_hooks).toEqual(gone);
  expect(changes.hooks.map(({ name }) => name)).toEqual(current?.hooks);

  const named = new Set(changes.hooks.map(({ name }) => name));
  for (const [name, hook] of Object.entries(before.hooks)) {
    if (!named.has(name)) expect(after.hooks[name]).toEqual(hook);
  }
  for (const change of changes.hooks) expectHookDone(change, before, after);
}

function expectHookDone(change: DeployPlan['changes']['hooks'][number], before: Seen, after: Seen): void {
  const { name } = change;
  const [old, current] = [before.hooks[name], after.hooks[name]];
  const made = change.release === 'created' ? 1 : 0;
  const moved = change.activated ? 1 : made;
  expect(change.hook).toBe(old ? 'unchanged' : 'created');
  expect([before.tables.includes(name), after.tables.includes(name)]).toEqual([old !== undefined, true]);
  expect(current).toEqual({
    owner: change.owner,
    feature: old?.feature ?? current?.feature,
    release_count: (old?.release_count ?? 0) + made,
    live_seq: (old?.live_seq ?? 0) + moved,
    live_version: change.live_version,
  });
  if (made) expect(change.version).toBe(current?.release_count);
  expect(change.is_live).toBe(change.version === current?.live_version);
}

async function settle<T>(
  promise: Promise<T>,
): Promise<{ readonly answer?: T; readonly error?: OsaError | undefined }> {
  try {
    return { answer: await promise };
  } catch (caught) {
    const error = asOsaError(caught);
    if (!error) throw caught;
    return { error };
  }
}

/** Some of it is refused, as where the hook is not there yet. */
async function operate(interlude: Interlude, world: number): Promise<void> {
  const hook = `${interlude.hook}_${world}`;
  const writer = { principal: admin };
  const { kind } = interlude;
  if (kind === 'rollback') await settle(rollback(store, writer, hook, {}));
  else if (kind === 'activate') await settle(activate(store, writer, hook, { version: interlude.version }));
  else {
    const { digest, config, live } = interlude;
    await settle(minted(store, hook, { digest, config, live, source_ref: 'git:2' }));
  }
}

test('a plan of a title without a slug is refused, as the deploy is', async () => {
  const body = { ...request('unused', []), slug: undefined, title: '???' };
  const options = { activate: false };
  const errors = [
    await refusal(planConvention(store, admin, body, options)),
    await refusal(deploy(store, { principal: admin }, body, options)),
  ];
  for (const error of errors) expect(error).toMatchObject({ code: 'invalid', field: 'title' });
});

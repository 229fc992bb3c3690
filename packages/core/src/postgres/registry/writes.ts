import type { Principal } from '../../auth/principal.ts';
import type { DeployRequest } from '../../convention/convention.ts';
import { OsaError } from '../../error.ts';
import type { HeldHook, LiveChange, RegistryWrites, StoredHook } from '../../hook/registry.ts';
import { sha256 } from '../../hook/release.ts';
import { canonicalJson } from '../../json/canonical.ts';
import { arrayText } from '../array.ts';
import type { Transaction } from '../connection/connect.ts';
import { waitingFor } from '../lock-wait.ts';
import { claimAgain, claimedBatches } from '../queue/claim-again.ts';
import { keepIndexLookups } from '../queue/plans.ts';
import { unstartableNow } from '../queue/workers.ts';
import { lockDeclared } from './declared.ts';
import { mintRelease } from './mint.ts';
import { hookLock, setHookPause } from './pause.ts';
import { rollbackTarget } from './rollback-target.ts';
import { readHooks, registryState } from './state.ts';

/** The registry's writes, within one transaction of one actor. */
export function registryWrites(tx: Transaction, actor: number, principal: Principal): RegistryWrites {
  return {
    ...registryState(tx),
    lockDeclared: (naming, request) => lockDeclared(tx, naming, request),
    insertSchema: (schema) => insertSchema(tx, actor, schema),
    holdHook: (name) => holdHook(tx, name),
    claimedBatches: async (hook) => {
      await keepIndexLookups(tx);
      return claimedBatches(tx, hook);
    },
    claimAgain: (batches, reason) => claimAgain(tx, batches, reason),
    recordBlob: async (digest, size) => {
      await tx`
        insert into files (sha256, size, actor) values (${digest}, ${size}, ${actor}) on conflict (sha256) do nothing`;
    },
    mint: async (minting) => {
      const outcome = await mintRelease(tx, { principal }, minting);
      if (!outcome) throw new OsaError('internal', 'the actor of this transaction is not there');
      return outcome;
    },
    addSources: async (sources) => {
      await tx`
        select add_release_source(of_hook => hook, of_version => version::integer, further => source, who => ${actor})
        from unnest(${arrayText(sources.map(({ hook }) => hook))}::text::text[],
                    ${arrayText(sources.map(({ version }) => String(version)))}::text::text[],
                    ${arrayText(sources.map(({ source_ref }) => source_ref))}::text::text[])
          as s (hook, version, source)`;
    },
    move: (hook, change) => move(tx, actor, hook, change),
    setPause: (hook, pause) => setHookPause(tx, actor, hook, pause),
    currentChange: (hook) => currentChange(tx, hook),
    rollbackTarget: async (hook) => {
      const [row] = await tx<{ version: number | null }[]>`
        select ${rollbackTarget(tx, tx`h`)} as version from hooks h where h.name = ${hook}`;
      return row?.version ?? undefined;
    },
    versions: async (hook) => {
      const rows = await tx<{ version: number }[]>`
        select version from releases where hook = ${hook} order by version desc limit 100`;
      return rows.map((row) => row.version).reverse();
    },
    createFeatureTable: async (hook) => {
      await tx`select create_feature_table(${hook})`;
    },
    updateConvention: (slug, request) => updateConvention(tx, slug, request),
    recordDeploy: (deploy) => recordDeploy(tx, actor, deploy),
    unstartable: (slug) => unstartableNow(tx, slug),
  };
}

/** Sent together, in this order: the batches are looked for once the lock is there, in the view of that moment. */
async function holdHook(tx: Transaction, name: string): Promise<HeldHook | undefined> {
  const [, [[hook], claimed]] = await Promise.all([
    keepIndexLookups(tx),
    waitingFor(tx, hookLock(name), () =>
      Promise.all([readHooks(tx, [name], 'locked').execute(), claimedBatches(tx, name).execute()]),
    ),
  ]);
  return hook && { hook, claimed };
}

/** Two deploys that register the same version meet here; the second sees what the first stored, and is refused. */
async function insertSchema(
  tx: Transaction,
  actor: number,
  { id, version, title, fields, openText }: Parameters<RegistryWrites['insertSchema']>[0],
): Promise<void> {
  const made = await tx`
    insert into schemas (id, version, title, fields, open_text, actor)
    values (${id}, ${version}, ${title}, ${tx.json(fields)}::jsonb, ${openText}, ${actor})
    on conflict (id, version) do nothing returning id`;
  if (made.length > 0) {
    await tx`select create_record_view(${id}, ${version})`;
    return;
  }
  throw new OsaError(
    'unavailable',
    `schema ${id}@${version} is being registered by another deploy; repeat this one`,
  );
}

async function move(
  tx: Transaction,
  actor: number,
  hook: StoredHook,
  { to, kind, reason }: Parameters<RegistryWrites['move']>[1],
): Promise<LiveChange> {
  // Sent at once: what refers to the change may be sent behind it.
  const [change] = await tx<LiveChange[]>`
    with moved as (
      update hooks set live_seq = coalesce(live_seq, 0) + 1, live_version = ${to}
      where name = ${hook.name} returning name, live_seq
    ), change as (
      insert into live_changes (hook, seq, from_version, to_version, kind, reason, actor)
      select name, live_seq, ${hook.liveVersion}, ${to}, ${kind}, ${reason}, ${actor} from moved
      returning hook, seq, from_version, to_version, at
    )
    select c.seq, c.from_version, c.to_version, r.id as release_id, c.at
    from change c join releases r on r.hook = c.hook and r.version = c.to_version`.execute();
  return change ?? withoutChange(hook);
}

async function currentChange(tx: Transaction, hook: StoredHook): Promise<LiveChange> {
  const [row] = await tx<LiveChange[]>`
    select c.seq, c.from_version, c.to_version, r.id as release_id, c.at
    from live_changes c join releases r on r.hook = c.hook and r.version = c.to_version
    where c.hook = ${hook.name} order by c.seq desc limit 1`;
  return row ?? withoutChange(hook);
}

function withoutChange({ name }: StoredHook): never {
  throw new OsaError('internal', `hook ${name} has no live change`);
}

async function updateConvention(tx: Transaction, slug: string, request: DeployRequest): Promise<void> {
  const {
    title,
    description,
    license,
    schema,
    file_requirements,
    docs,
    ingester,
    hooks,
    curation,
    approve_own,
  } = request;
  await tx`
    update conventions
    set title = ${title}, description = ${description}, license = ${license ?? null}, schema_id = ${schema.id}, schema_version = ${schema.version},
        file_requirements = ${tx.json(file_requirements)}::jsonb, docs = ${docs ? tx.json(docs) : null}::jsonb,
        ingester = ${ingester ? tx.json(ingester) : null}::jsonb, curation = ${curation}, approve_own = ${approve_own},
        updated_at = now()
    where slug = ${slug}`;
  await tx`delete from convention_hooks where slug = ${slug}`;
  await tx`
    insert into convention_hooks (slug, position, hook)
    select ${slug}, position, hook
    from unnest(${arrayText(hooks.map((hook) => hook.name))}::text::text[]) with ordinality as h (hook, position)`;
}

async function recordDeploy(
  tx: Transaction,
  actor: number,
  { id, slug, manifest, plan }: Parameters<RegistryWrites['recordDeploy']>[0],
): Promise<{ at: string }> {
  const [row] = await tx<{ at: string }[]>`
    insert into deploys (id, slug, manifest, manifest_digest, changed, changes, actor)
    values (${id}, ${slug}, ${tx.json(manifest)}::jsonb, ${sha256(canonicalJson(manifest))},
            ${plan.changed}, ${tx.json(plan.changes)}::jsonb, ${actor})
    returning at`;
  if (!row) throw new OsaError('internal', 'the deploy was not recorded');
  return row;
}

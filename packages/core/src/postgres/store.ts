import { actorUuid, type Principal } from '../auth/principal.ts';
import { OsaError } from '../error.ts';
import type { NodeIdentity } from '../record/srn.ts';
import type { Store, Writer } from '../store.ts';
import type { Database, Sql, Transaction } from './connection.ts';
import { datasetReads } from './dataset.ts';
import { ingestionReads, ingestionWrites } from './ingestions.ts';
import { mintRelease } from './mint.ts';
import { registryWrites } from './registry.ts';
import { registryReads } from './registry-reads.ts';
import { registryState } from './registry-state.ts';
import { tracer } from './trace.ts';

export function postgresStore(database: Database, node: NodeIdentity): Store {
  return {
    write: (writer, work) =>
      database.transaction((tx) =>
        once(tx, writer, async (actor) =>
          work({
            registry: registryWrites(tx, actor, writer.principal),
            ingestions: ingestionWrites(tx, actor, node),
            event: async (type, payload) => {
              await tx`insert into events (type, payload) values (${type}, ${tx.json({ ...payload, actor })}::jsonb)`;
            },
          }),
        ),
      ),
    async mint(principal, minting) {
      const { sql } = database;
      const outcome = await mintRelease(sql, principal, minting);
      if (outcome) return outcome;
      await actorId(sql, principal);
      return (await mintRelease(sql, principal, minting)) ?? missingActor();
    },
    read: (work) => database.transaction((tx) => work(registryState(tx)), { readOnly: true }),
    registry: registryReads(database),
    ingestions: ingestionReads(database, node),
    dataset: datasetReads(database),
    tracer: tracer(database),
  };
}

/** Runs `work` unless its idempotency key has an answer already; stores the answer under the key. */
async function once<T extends object>(
  tx: Transaction,
  writer: Writer,
  work: (actor: number) => Promise<T>,
): Promise<T> {
  const actor = await actorId(tx, writer.principal);
  const { idempotency } = writer;
  if (!idempotency) return work(actor);
  const { key, requestDigest } = idempotency;
  const [lock] = await tx<{ held: boolean }[]>`
    select pg_try_advisory_xact_lock(hashtextextended(${`${actor} ${key}`}, 0)) as held`;
  if (!lock?.held) {
    throw new OsaError(
      'in_progress',
      `the request with Idempotency-Key ${key} is still under way; wait and repeat it`,
    );
  }
  const [stored] = await tx<{ request_digest: string; response: T }[]>`
    select request_digest, response from idempotency_keys
    where actor = ${actor} and key = ${key} and at > now() - interval '24 hours'`;
  if (stored && stored.request_digest !== requestDigest) {
    throw new OsaError(
      'idempotency_mismatch',
      `Idempotency-Key ${key} was used with another request; take a new key`,
    );
  }
  if (stored) return stored.response;
  const answer = await work(actor);
  await tx`delete from idempotency_keys where actor = ${actor} and key = ${key}`;
  await tx`
    insert into idempotency_keys (actor, key, request_digest, response)
    values (${actor}, ${key}, ${requestDigest}, ${tx.json(answer)}::jsonb)`;
  return answer;
}

async function actorId(tx: Sql, principal: Principal): Promise<number> {
  const { issuer, subject } = principal;
  const find = () =>
    tx<{ id: string }[]>`select id from actors where issuer = ${issuer} and subject = ${subject}`;
  const [known] = await find();
  if (known) return Number(known.id);
  await tx`
    insert into actors (issuer, subject, uuid) values (${issuer}, ${subject}, ${actorUuid(principal)})
    on conflict (issuer, subject) do nothing`;
  const [made] = await find();
  return Number((made ?? missingActor()).id);
}

function missingActor(): never {
  throw new OsaError('internal', 'an actor was made and is not there');
}

/** Forgets stored answers that are older than a day. */
export async function forgetOldAnswers(database: Database): Promise<void> {
  await database.sql`delete from idempotency_keys where at < now() - interval '24 hours'`;
}

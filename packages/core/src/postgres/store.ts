import type { Minting, MintOutcome } from '../hook/registry.ts';
import type { NodeIdentity } from '../record/srn.ts';
import type { Store, Writer } from '../store.ts';
import { access } from './access.ts';
import { missingActor, rememberActor } from './actor.ts';
import { arrayText } from './array.ts';
import { people } from './auth/people.ts';
import { nameExchange, publisherReads, publisherWrites } from './auth/publishers.ts';
import type { Database, Sql, Transaction } from './connection/connect.ts';
import { datasetReads } from './data/dataset.ts';
import { depositionReads } from './deposition/reads.ts';
import { depositionWrites } from './deposition/writes.ts';
import { deliveries } from './events/deliveries.ts';
import { eventReads } from './events/events.ts';
import { fileReads, fileWrites } from './files.ts';
import { idReads } from './ids.ts';
import { ingestionReads, ingestionWrites } from './ingestions.ts';
import { runningWorkers } from './queue/workers.ts';
import { comparisonReads, comparisonWrites } from './recompute/comparison/comparisons.ts';
import { recomputeReads } from './recompute/reads.ts';
import { replayReads, replayWrites } from './recompute/replay/replays.ts';
import { recomputeWrites } from './recompute/writes.ts';
import { mintRelease } from './registry/mint.ts';
import { registryReads } from './registry/reads.ts';
import { registryState } from './registry/state.ts';
import { storedAnswer } from './registry/stored-answers.ts';
import { registryWrites } from './registry/writes.ts';
import { runReads } from './runs.ts';
import { archiveName } from './status/archive-name.ts';
import { audit } from './status/audit.ts';
import { storedStatus } from './status/status.ts';
import { impacts } from './trace/impact.ts';
import { recallReads, recallWrites } from './trace/recall/recalls.ts';
import { tracer } from './trace/rows-and-records.ts';
import { stories } from './trace/stories.ts';
import { useBlobs } from './upkeep/inventory.ts';
import { uploadUse } from './upkeep/upload-use.ts';

export function postgresStore(database: Database, node: NodeIdentity): Store {
  return {
    write: (writer, work) =>
      database.transaction((tx) =>
        once(tx, writer, async (actor) =>
          work({
            registry: registryWrites(tx, actor, writer.principal),
            ingestions: ingestionWrites(tx, actor, node),
            depositions: depositionWrites(tx, actor, node),
            publishers: publisherWrites(tx, actor),
            files: fileWrites(tx, actor),
            recomputes: recomputeWrites(tx, actor, writer.principal),
            recalls: recallWrites(tx, actor),
            comparisons: comparisonWrites(tx, actor),
            replays: replayWrites(tx, actor),
            event: async (type, payload) => {
              const request_id = writer.request?.request_id ?? null;
              const told = tx.json({ ...payload, actor, request_id });
              await tx`insert into events (type, payload) values (${type}, ${told}::jsonb)`;
            },
          }),
        ),
      ),
    async mint(writer, minting) {
      const { sql } = database;
      if (writer.principal.exchange !== undefined) return mintWithExchange(database, writer, minting);
      const outcome = await mintRelease(sql, writer, minting);
      if (outcome) return outcome;
      await rememberActor(sql, writer.principal);
      return (await mintRelease(sql, writer, minting)) ?? missingActor();
    },
    answered: (writer) =>
      database.transaction(async (tx) => storedAnswer(tx, writer, await rememberActor(tx, writer.principal))),
    access: access(database),
    archive: () => archiveName(database, node),
    read: (work) => database.transaction((tx) => work(registryState(tx)), { readOnly: true }),
    useBlobs: (digests) => useBlobs(database.sql, digests),
    registry: registryReads(database),
    ingestions: ingestionReads(database, node),
    depositions: depositionReads(database, node),
    files: fileReads(database),
    uploadUse: uploadUse(database),
    recomputes: recomputeReads(database),
    recalls: recallReads(database),
    comparisons: comparisonReads(database),
    replays: replayReads(database),
    dataset: datasetReads(database, node),
    tracer: tracer(database),
    stories: stories(database),
    events: eventReads(database.sql),
    deliveries: deliveries(database.sql),
    impacts: impacts(database.sql),
    runs: runReads(database),
    ids: idReads(database),
    publishers: publisherReads(database),
    people: people(database),
    status: () => storedStatus(database),
    audit: (query) => audit(database, query),
    workers: async () => ({
      items: (await runningWorkers(database)).map((worker) => ({
        ...worker,
        runtimes: [...worker.runtimes],
      })),
    }),
  };
}

/** A release of a CI job, which is kept with what the provider signed of the job. */
function mintWithExchange(database: Database, writer: Writer, minting: Minting): Promise<MintOutcome> {
  return database.transaction(async (tx) => {
    await nameExchange(tx, writer.principal.exchange);
    return (await mintRelease(tx, writer, minting)) ?? missingActor();
  });
}

/** Runs `work` unless its idempotency key has an answer already; stores the answer under the key. */
async function once<T extends object>(
  tx: Transaction,
  writer: Writer,
  work: (actor: number) => Promise<T>,
): Promise<T> {
  const actor = await rememberActor(tx, writer.principal);
  await nameExchange(tx, writer.principal.exchange);
  const stored = await storedAnswer<T>(tx, writer, actor);
  if (stored) return stored;
  const answer = await work(actor);
  await recordAccepted(tx, writer, actor);
  const { idempotency, principal } = writer;
  if (!idempotency) return answer;
  const { key, requestDigest } = idempotency;
  await tx`delete from idempotency_keys where actor = ${actor} and key = ${key}`;
  await tx`
    insert into idempotency_keys (actor, key, request_digest, rights, response)
    values (${actor}, ${key}, ${requestDigest}, ${arrayText([...(principal.used ?? [])])}::text::text[],
            ${tx.json(answer)}::jsonb)`;
  return answer;
}

/** Each requested write has an event in the outbox, even when it changed nothing. */
async function recordAccepted(tx: Sql, { principal, request }: Writer, actor: number): Promise<void> {
  if (!request) return;
  const payload = { ...request, actor, jti: principal.tokenId ?? null, outcome: 'accepted' };
  await tx`insert into events (type, payload) values ('request.accepted', ${tx.json(payload)}::jsonb)`;
}

import { readFileSync } from 'node:fs';
import { migrate } from '@osa/core/postgres/migrate';
import { expect, onTestFinished, test } from 'vitest';
import { dumpSchema, schemaFile } from '../../scripts/dump-schema.ts';
import { emptyDatabase } from '../support/database/empty-database.ts';

test('the committed dump is what the migrations make; `node scripts/dump-schema.ts` renews it', async () => {
  const database = await emptyDatabase();
  onTestFinished(() => database.close());
  const owner = database.open();
  await migrate(owner, { appRole: database.appRole });
  const dump = await dumpSchema(owner, database.appRole);
  expect(dump).toBe(readFileSync(schemaFile, 'utf8'));
  expect(await dumpSchema(owner, database.appRole)).toBe(dump);
});

test('the dump shows each kind of change', async () => {
  const database = await emptyDatabase();
  onTestFinished(() => database.close());
  const owner = database.open();
  const { appRole } = database;
  await migrate(owner, { appRole });
  let last = await dumpSchema(owner, appRole);
  for (const change of [
    'alter table releases add column forged integer',
    'alter table releases alter column image set default 1',
    'alter table releases drop constraint releases_hook_fingerprint_key',
    'alter table runs drop constraint runs_batch_fkey',
    'drop index batches_open',
    'drop trigger no_rewrite on releases',
    'alter table outcomes disable trigger prove',
    'alter function prove_rows() reset search_path',
    'create or replace function prove_rows() returns trigger language plpgsql as $$ begin return null; end $$',
    'grant execute on function create_feature_table(text) to public',
    `grant update on releases to "${appRole}"`,
    `grant update (digest) on releases to "${appRole}"`,
    `grant select on releases to "${appRole}" with grant option`,
    'grant create on schema public to public',
    'grant temporary on database :name to public',
    `alter default privileges in schema features grant update on tables to "${appRole}"`,
    'alter table releases enable row level security',
    'create view current.forged as select 1',
    'create sequence forged',
  ]) {
    const [row] = await owner.sql<{ name: string }[]>`select quote_ident(current_database()) as name`;
    await owner.sql.unsafe(change.replace(':name', row?.name ?? ''));
    const next = await dumpSchema(owner, appRole);
    expect(next, change).not.toBe(last);
    last = next;
  }
});

import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Principal } from '@osa/core/auth/principal';
import { DeployRequest } from '@osa/core/convention/convention';
import { deploy } from '@osa/core/convention/deploy';
import { release } from '@osa/core/hook/mint';
import { sha256 } from '@osa/core/hook/release';
import { connect, type Database } from '@osa/core/postgres/connection/connect';
import { postgresStore } from '@osa/core/postgres/store';
import type { Store } from '@osa/core/store';
import { execa } from 'execa';
import { type BenchDatabase, benchDatabase } from './database.ts';
import { median, type Options, type Result } from './report.ts';

const clients = 8;
const principal: Principal = {
  issuer: 'bench',
  subject: 'bench',
  scopes: new Set(['conventions:write', 'hooks:write', 'runs:read']),
};

/**
 * Releases of one hook by 8 clients at once, each with a key as `osa hooks release` sends it, against a PL/pgSQL function
 * that does the same steps in one call.
 */
export async function benchMint({ quick, log }: Options): Promise<Result[]> {
  const rounds = quick ? 3 : 12;
  const perClient = quick ? 50 : 250;
  const place = await benchDatabase();
  const database = connect({ url: place.appUrl, max: clients, applicationName: 'osa bench' });
  const caller = await openCaller(place);
  try {
    const store = postgresStore(database, { domain: 'localhost' });
    await deployHooks(store);
    await place.owner.sql.unsafe(mintByFunction);
    const speeds: { ours: number; theirs: number }[] = [];
    // The first round opens connections and prepares statements, and does not count.
    for (let round = 0; round <= rounds; round++) {
      await place.owner.sql`vacuum`;
      const ours = () => mintAll(store, `${round}`, perClient);
      const theirs = () => caller.call(perClient);
      const first = await (round % 2 === 0 ? ours : theirs)();
      const second = await (round % 2 === 0 ? theirs : ours)();
      const speed = round % 2 === 0 ? { ours: first, theirs: second } : { ours: second, theirs: first };
      log(
        `round ${round} of ${rounds}: ${Math.round(speed.ours)} and ${Math.round(speed.theirs)} releases/s`,
      );
      if (round > 0) speeds.push(speed);
    }
    await requireSameReleases(place.owner);
    const ratios = speeds.map((speed) => speed.ours / speed.theirs);
    const result: Result = {
      name: 'mint a release',
      what: `${rounds * perClient * clients} releases of one hook by ${clients} clients, each with a key and made live`,
      limit: `a PL/pgSQL function that does the same steps, called by ${caller.client}, ${clients} clients`,
      unit: 'releases/s',
      ours: speeds.map((speed) => speed.ours),
      theirs: speeds.map((speed) => speed.theirs),
      target: { atLeast: 0.85 },
      notes: [
        `ratios of ${rounds} rounds: ${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}, median ${median(ratios).toFixed(2)}`,
        place.server,
      ],
    };
    return [result];
  } finally {
    await caller.close();
    await database.close();
    await place.close();
  }
}

async function deployHooks(store: Store): Promise<void> {
  const declaration = (name: string) => ({
    name,
    feature: { cardinality: 'one', columns: [] },
    config: { relation: 'hanks', depth: { least: 1, most: 700 } },
    release: { image: 'bench', digest: `sha256:${sha256('bench')}`, source_ref: 'git:1' },
  });
  const request = DeployRequest.parse({
    title: 'Bench',
    description: 'Two hooks for a benchmark',
    schema: {
      id: 'bench',
      version: '1.0.0',
      fields: [{ name: 'value', type: 'number', required: true, cardinality: 'exactly_one' }],
    },
    file_requirements: { accepted_types: [], max_count: 0 },
    hooks: [declaration('ours'), declaration('theirs')],
  });
  await deploy(store, { principal }, request);
}

/** Releases a second. */
async function mintAll(store: Store, round: string, perClient: number): Promise<number> {
  const start = performance.now();
  const client = async (_: unknown, number: number) => {
    for (let count = 0; count < perClient; count++) {
      const digest = `sha256:${sha256(`${round} ${number} ${count}`)}`;
      const idempotency = { key: randomUUID(), requestDigest: sha256(digest) };
      const request = {
        route: 'POST /api/v1/hooks/:name/releases',
        scope: 'hooks:write:ours',
        request_id: 'bench',
      };
      const writer = { principal: { ...principal, used: new Set<string>() }, request, idempotency };
      await release(store, writer, 'ours', { digest, source_ref: 'git:1', live: true });
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  return (clients * perClient * 1_000) / (performance.now() - start);
}

/**
 * All that the adapter does for a release, in its order: who, the key, lock, carry over, look whether it is known, count, mint,
 * move with a live change, tell, and store the answer under the key. Normalising the limits is left out, to the function's advantage.
 */
const mintByFunction = `
  create function mint_by_function(wanted text, new_digest text) returns jsonb language plpgsql as $$
  declare
    who bigint;
    hook hooks;
    live releases;
    minted releases;
    print text;
  begin
    select id into strict who from actors where issuer = 'bench' and subject = 'bench';
    if not pg_try_advisory_xact_lock(hashtextextended(who || ' ' || new_digest, 0)) then
      raise exception 'in progress';
    end if;
    perform from idempotency_keys where actor = who and key = new_digest and at > now() - interval '24 hours';
    if found then
      raise exception 'answered';
    end if;
    select * into strict hook from hooks where name = wanted for no key update;
    select * into strict live from releases r where r.hook = wanted and r.version = hook.live_version;
    print := encode(sha256(convert_to(jsonb_build_object('runtime', live.runtime, 'digest', new_digest,
      'command', live.command, 'config', live.config, 'limits', live.limits)::text, 'UTF8')), 'hex');
    select * into minted from releases r where r.hook = wanted and r.fingerprint = print;
    if found then
      return to_jsonb(minted);
    end if;
    update hooks set release_count = release_count + 1, live_seq = live_seq + 1, live_version = release_count + 1
      where name = wanted;
    insert into releases (id, hook, version, runtime, image, digest, command, config, limits, fingerprint, source_ref, built_by)
      values (gen_random_uuid(), wanted, hook.release_count + 1, live.runtime, live.image, new_digest, live.command,
              live.config, live.limits, print, live.source_ref, who)
      returning * into minted;
    insert into live_changes (hook, seq, from_version, to_version, kind, reason, actor)
      values (wanted, hook.live_seq + 1, hook.live_version, minted.version, 'release', null, who);
    insert into events (type, payload) values ('hook.released',
      jsonb_build_object('hook', wanted, 'version', minted.version, 'live', true, 'actor', who));
    insert into events (type, payload) values ('request.accepted', jsonb_build_object('route', 'bench', 'actor', who));
    insert into idempotency_keys (actor, key, request_digest, rights, response)
      values (who, new_digest, print, array['hooks:write:theirs'], to_jsonb(minted));
    return to_jsonb(minted);
  end $$`;

/** Calls the function from 8 clients at once. */
interface Caller {
  /** Such as `pgbench (PostgreSQL) 15.18`. */
  readonly client: string;
  /** Releases a second. */
  call(perClient: number): Promise<number>;
  close(): Promise<void>;
}

/** By pgbench where that is installed, else by the driver that ours uses too. */
async function openCaller(place: BenchDatabase): Promise<Caller> {
  const version = await execa('pgbench', ['--version'], { reject: false });
  return version.failed ? driverCaller(place) : pgbenchCaller(place, version.stdout);
}

async function pgbenchCaller({ appUrl }: BenchDatabase, client: string): Promise<Caller> {
  const directory = await mkdtemp(join(tmpdir(), 'osa-bench-'));
  const script = join(directory, 'mint.sql');
  const random = ['a', 'b', 'c', 'd'].map((name) => `\\set ${name} random(0, 4294967295)`).join('\n');
  const digest = ['a', 'b', 'c', 'd'].map((name) => `lpad(to_hex(:${name}::bigint), 16, '0')`).join(' || ');
  await writeFile(script, `${random}\nselect mint_by_function('theirs', 'sha256:' || ${digest});\n`);
  return {
    client,
    async call(perClient) {
      const args = ['-n', '-M', 'prepared', '-c', clients, '-j', 2, '-t', perClient, '-f', script, appUrl];
      const { stdout } = await execa('pgbench', args.map(String));
      const [, speed] = /^tps = ([\d.]+)/m.exec(stdout) ?? [];
      if (speed === undefined || !/failed transactions: 0 /.test(stdout)) throw new Error(stdout);
      return Number(speed);
    },
    close: () => rm(directory, { recursive: true }),
  };
}

function driverCaller({ appUrl }: BenchDatabase): Caller {
  const database = connect({ url: appUrl, max: clients, applicationName: 'osa bench' });
  const client = async (perClient: number) => {
    for (let count = 0; count < perClient; count++) {
      await database.sql`select mint_by_function('theirs', ${`sha256:${sha256(crypto.randomUUID())}`})`;
    }
  };
  return {
    client: 'the driver of the adapter',
    async call(perClient) {
      const start = performance.now();
      await Promise.all(Array.from({ length: clients }, () => client(perClient)));
      return (clients * perClient * 1_000) / (performance.now() - start);
    },
    close: () => database.close(),
  };
}

/** Both hooks have as many releases, live changes and events, and the last release of each is live. */
async function requireSameReleases({ sql }: Database): Promise<void> {
  const rows = await sql<{ seen: string }[]>`
    select format('%s releases, %s changes, %s events, live %s', h.release_count,
                  (select count(*) from live_changes c where c.hook = h.name),
                  (select count(*) from events where payload ->> 'hook' = h.name and type = 'hook.released'),
                  h.live_version = h.release_count) as seen
    from hooks h`;
  const [ours, theirs] = rows.map(({ seen }) => seen);
  if (ours === undefined || ours !== theirs) throw new Error(`the hooks differ: ${ours} and ${theirs}`);
}

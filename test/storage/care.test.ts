import { createHash, randomBytes } from 'node:crypto';
import { mkdir, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { DeployRequest } from '@osa/core/convention/convention';
import { deploy } from '@osa/core/convention/deploy';
import { OsaError } from '@osa/core/error';
import { packDirectory } from '@osa/core/hook/archive/pack';
import { findBlob, uploadBlob } from '@osa/core/hook/upload';
import type { Database } from '@osa/core/postgres/connection/connect';
import { postgresStore } from '@osa/core/postgres/store';
import { inventory } from '@osa/core/postgres/upkeep/inventory';
import { damaged, notStored } from '@osa/core/storage/blob';
import { checkStore, type Finding } from '@osa/core/storage/check';
import { filesystemBlobs } from '@osa/core/storage/filesystem';
import { cleanStore } from '@osa/core/storage/gc';
import type { BlobStore } from '@osa/core/storage/index';
import { s3Blobs } from '@osa/core/storage/s3/s3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { declaration, deployRequest } from '../support/daemon-support.ts';
import { admin, scratch, type TestDatabase, testDatabase, until } from '../support/database/database.ts';
import { type FakeS3, fakeCredentials, fakeS3 } from '../support/s3/fake.ts';

const hour = 3_600;
const longAgo = new Date(Date.now() - 48 * hour * 1_000);

/** A store whose contents can be changed behind its back. */
interface World {
  readonly blobs: BlobStore;
  write(name: string, bytes: Uint8Array, at?: Date): Promise<void>;
  close(): Promise<void>;
}

const worlds: Record<string, () => Promise<World>> = {
  async 'a file system'() {
    const place = await scratch();
    const pathOf = (name: string) =>
      join(place.path, /^[0-9a-f]{64}$/.test(name) ? join(name.slice(0, 2), name.slice(2)) : name);
    return {
      blobs: filesystemBlobs(place.path),
      async write(name, bytes, at = longAgo) {
        await mkdir(dirname(pathOf(name)), { recursive: true });
        await writeFile(pathOf(name), bytes);
        await utimes(pathOf(name), at, at);
      },
      close: () => place.dispose(),
    };
  },
  async 'an S3 store'() {
    const fake: FakeS3 = await fakeS3();
    const key = (name: string) => fake.target.prefix + name;
    return {
      blobs: s3Blobs({ target: fake.target, credentials: fakeCredentials }),
      async write(name, bytes, at = longAgo) {
        fake.objects.set(key(name), { bytes: Buffer.from(bytes), at, etag: '"x"' });
      },
      close: () => fake.close(),
    };
  },
};

describe.each(Object.entries(worlds))('%s', (_, make) => {
  let world: World;
  let test_: TestDatabase;
  let owner: Database;
  let app: Database;
  beforeEach(async () => {
    [world, test_] = [await make(), await testDatabase()];
    [owner, app] = [test_.open(test_.ownerUrl), test_.open(test_.appUrl)];
  });
  afterEach(async () => {
    await test_.close();
    await world.close();
  });

  const known = () => inventory(owner);
  const clean = (changes: { isPlan?: boolean } = {}) =>
    cleanStore(world.blobs, known(), { graceSeconds: hour, isPlan: false, ...changes });
  const blob = (length = 1_000) => {
    const bytes = randomBytes(length);
    return { bytes, sha256: createHash('sha256').update(bytes).digest('hex') };
  };
  /** Stored long ago, and known to the database. */
  const stored = async () => {
    const one = blob();
    await world.write(one.sha256, one.bytes);
    await name(one.sha256, one.bytes.length);
    return one;
  };
  const name = async (sha256: string, size: number) => {
    await postgresStore(app, { domain: 'localhost' }).write({ principal: admin }, async ({ registry }) => {
      await registry.recordBlob(sha256, size);
      return {};
    });
  };
  const released = async (sha256: string, hook: string) => {
    const request = {
      ...deployRequest([declaration(hook, `sha256:${sha256}`)]),
      slug: hook.replace('_', '-'),
    };
    await deploy(
      postgresStore(app, { domain: 'localhost' }),
      { principal: admin },
      DeployRequest.parse(request),
    );
  };
  const digests = async () => (await Array.fromAsync(world.blobs.list())).map(({ sha256 }) => sha256);

  test('check finds each of 100 damages, by kind and name, and nothing else', async () => {
    const expected: string[] = [];
    for (let index = 0; index < 25; index += 1) {
      const [gone, flipped, cut, whole] = [await stored(), await stored(), await stored(), await stored()];
      await world.blobs.remove(gone.sha256);
      const bytes = Buffer.from(flipped.bytes);
      const at = (index * 41) % bytes.length;
      bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << (index % 8)), at);
      await world.write(flipped.sha256, bytes);
      await world.write(cut.sha256, cut.bytes.subarray(0, index * 7));
      const unknown = blob();
      const foreign = `foreign-${index}`;
      if (index % 2 === 0) await world.write(unknown.sha256, unknown.bytes);
      else await world.write(foreign, whole.bytes);
      expected.push(
        `missing ${gone.sha256}`,
        `damaged ${flipped.sha256}`,
        `damaged ${cut.sha256}`,
        index % 2 === 0 ? `unknown ${unknown.sha256}` : `foreign ${foreign}`,
      );
    }
    expect(expected).toHaveLength(100);
    const found = await findings({ reads: true, graceSeconds: hour });
    expect(found.map(({ kind, name: of }) => `${kind} ${of.replace(/^osa\/test\//, '')}`).sort()).toEqual(
      expected.sort(),
    );
    const quick = await findings({ reads: false, graceSeconds: hour });
    expect(quick.filter(({ kind }) => kind === 'damaged')).toHaveLength(25);
  });

  test('check says nothing of a whole store, nor of uploads under way', async () => {
    for (let index = 0; index < 20; index += 1) await stored();
    const young = blob();
    await world.write(young.sha256, young.bytes, new Date());
    expect(await findings({ reads: true, graceSeconds: hour })).toEqual([]);
  });

  test.each([
    ['a disk that cannot be read', () => Object.assign(new Error('EIO: i/o error'), { code: 'EIO' })],
    [
      'an object that the store has lost a part of',
      () => new OsaError('unavailable', 'broken', { details: { isBroken: true } }),
    ],
  ])('check goes on after %s, and ends when the store is away', async (_name, fault) => {
    const all = [await stored(), await stored(), await stored()].map(({ sha256 }) => sha256).sort();
    const faulty = (more: Partial<BlobStore> = {}): BlobStore => ({
      ...world.blobs,
      open: (sha256) => (sha256 === all[0] ? Promise.reject(fault()) : world.blobs.open(sha256)),
      ...more,
    });
    await world.blobs.remove(all[2] ?? '');
    const check = (blobs: BlobStore) =>
      Array.fromAsync(checkStore(blobs, known(), { reads: true, graceSeconds: hour }));
    expect((await check(faulty())).map(({ kind, name: of }) => [kind, of])).toEqual([
      ['damaged', all[0]],
      ['missing', all[2]],
    ]);
    const away = () => Promise.reject(new OsaError('unavailable', 'away'));
    await expect(check(faulty({ find: away }))).rejects.toMatchObject({ code: 'unavailable' });
  });

  const passing: [string, () => Error][] = [
    [
      'is slow',
      () => new OsaError('unavailable', 'it did not answer in time', { details: { code: 'timeout' } }),
    ],
    ['is replaced while it is read', () => new OsaError('unavailable', 'it was replaced; try again')],
    ['finds no free descriptor', () => Object.assign(new Error('EMFILE'), { code: 'EMFILE' })],
  ];
  test.each(passing)(
    'check reads an object that %s once more, and never calls it damaged',
    async (_name, fault) => {
      const all = [await stored(), await stored()].map(({ sha256 }) => sha256).sort();
      await world.blobs.remove(all[1] ?? '');
      const check = async (failing: number) => {
        let reads = 0;
        const open = (sha256: string) =>
          ++reads > failing ? world.blobs.open(sha256) : Promise.reject(fault());
        const blobs = { ...world.blobs, open };
        const found = await Array.fromAsync(checkStore(blobs, known(), { reads: true, graceSeconds: hour }));
        return { reads, found: found.map(({ kind, name: of }) => [kind, of]) };
      };
      expect(await check(1)).toEqual({ reads: 2, found: [['missing', all[1]]] });
      expect(await check(9)).toEqual({
        reads: 2,
        found: [
          ['unread', all[0]],
          ['missing', all[1]],
        ],
      });
    },
  );

  test('check names what the store lists and no longer has, and counts only what it read', async () => {
    const [first, last] = [await stored(), await stored()];
    // The first reading takes the damaged object away, and the list still has it.
    const quarantining = (fault: () => Error): BlobStore => ({
      ...world.blobs,
      open: async (sha256) => (sha256 === first.sha256 ? Promise.reject(fault()) : world.blobs.open(sha256)),
      find: async (sha256) => (sha256 === first.sha256 ? undefined : world.blobs.find(sha256)),
    });
    for (const [kind, fault, blobs] of [
      ['damaged', () => damaged(first.sha256, 'f'.repeat(64)), 2],
      ['missing', () => notStored(first.sha256), 1],
      ['unread', () => new OsaError('unavailable', 'it was replaced; try again'), 1],
    ] as const) {
      const check = checkStore(quarantining(fault), known(), { reads: true, graceSeconds: hour });
      expect(await check.next()).toMatchObject({ value: { kind, name: first.sha256 } });
      expect(await check.next()).toEqual({ done: true, value: { blobs, bytes: blobs * last.bytes.length } });
    }
  });

  test('check says nothing of a blob that gc removes while it is read', async () => {
    const { sha256 } = await stored();
    const removed = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    let forgetting: Promise<boolean> | undefined;
    const open = async (): Promise<never> => {
      forgetting ??= known().forget(sha256, hour, async () => {
        await world.blobs.remove(sha256);
        removed.resolve();
        await go.promise;
        return true;
      });
      await removed.promise;
      throw notStored(sha256);
    };
    const blobs = { ...world.blobs, open };
    const check = Array.fromAsync(checkStore(blobs, known(), { reads: true, graceSeconds: hour }));
    expect(await Promise.race([check, waiting(owner)])).toBe('waits');
    go.resolve();
    expect(await check).toEqual([]);
    expect(await forgetting).toBe(true);
  });

  const findings = async (options: { reads: boolean; graceSeconds: number }): Promise<Finding[]> =>
    Array.fromAsync(checkStore(world.blobs, known(), options));

  test('gc removes what nothing refers to, and keeps what is released, young or foreign', async () => {
    const [used, unused, unknown, young] = [await stored(), await stored(), blob(), blob()];
    await released(used.sha256, 'used');
    await world.write(unknown.sha256, unknown.bytes);
    await world.write(young.sha256, young.bytes, new Date());
    await world.write('foreign', young.bytes);
    expect(await clean({ isPlan: true })).toMatchObject({ removed: 2, bytes: 2_000 });
    expect(await digests()).toHaveLength(5);
    expect(await clean()).toMatchObject({ removed: 2, bytes: 2_000 });
    expect((await digests()).sort()).toEqual([used.sha256, young.sha256, undefined].sort());
    expect(await known().isNamed(unused.sha256)).toBe(false);
    expect(await clean()).toMatchObject({ removed: 0 });
    expect(await findings({ reads: true, graceSeconds: hour })).toMatchObject([{ kind: 'foreign' }]);
  });

  test('gc forgets a file whose bytes are gone, unless something refers to it', async () => {
    const [used, unused] = [await stored(), await stored()];
    await released(used.sha256, 'used');
    for (const { sha256 } of [used, unused]) await world.blobs.remove(sha256);
    await clean();
    expect([await known().isNamed(used.sha256), await known().isNamed(unused.sha256)]).toEqual([true, false]);
  });

  test('gc in the middle of 20 uploads removes nothing that they need', async () => {
    const store = postgresStore(app, { domain: 'localhost' });
    const parts = {
      store,
      blobs: world.blobs,
      blobBytes: 1_000_000,
      inTurn: <T>(work: () => Promise<T>) => work(),
    };
    let isDone = false;
    let runs = 0;
    const cleaning = (async () => {
      for (; !isDone; runs += 1) await clean();
    })();
    const upload = async (index: number) => {
      const one = await packed(index);
      // Half of them were stored long ago, by somebody who never released them: a client hears so, and sends nothing.
      if (index % 2 === 0) {
        await world.write(one.sha256, one.content);
        await name(one.sha256, one.content.length);
      }
      const found = await findBlob(parts, one.sha256).catch(() => undefined);
      if (found === undefined)
        await uploadBlob(parts, { principal: admin }, { sha256: one.sha256, upload: one });
      const seen = runs;
      await until('a whole run of gc', async () => runs > seen + 1);
      await released(one.sha256, `hook_${index}`);
      return one;
    };
    const all = await Promise.all(Array.from({ length: 20 }, (__, index) => upload(index))).finally(
      async () => {
        isDone = true;
        await cleaning;
      },
    );
    expect(runs).toBeGreaterThan(1);
    await clean();
    expect((await digests()).sort()).toEqual(all.map(({ sha256 }) => sha256).sort());
    expect(await findings({ reads: true, graceSeconds: hour })).toEqual([]);
  });

  test('who wants bytes while they are removed waits, and finds them gone', async () => {
    const { sha256 } = await stored();
    const reached = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    const forgetting = known().forget(sha256, hour, async () => {
      reached.resolve();
      await go.promise;
      await world.blobs.remove(sha256);
      return true;
    });
    await reached.promise;
    const store = postgresStore(app, { domain: 'localhost' });
    const finding = findBlob({ store, blobs: world.blobs }, sha256);
    const first = await Promise.race([finding.catch(() => 'found out'), waiting(owner)]);
    expect(first).toBe('waits');
    go.resolve();
    expect(await forgetting).toBe(true);
    await expect(finding).rejects.toMatchObject({ code: 'not_found' });
  });

  test('a store that fails to remove forgets nothing', async () => {
    const { sha256 } = await stored();
    const failing = known().forget(sha256, hour, () => Promise.reject(new Error('the store is away')));
    await expect(failing).rejects.toThrow('the store is away');
    expect(await known().isNamed(sha256)).toBe(true);
    expect(await owner.sql`select from blob_uses`).toHaveLength(0);
  });
});

test('only the owner forgets, by name, and nothing that is referred to', async () => {
  const database = await testDatabase();
  try {
    const app = inventory(database.open(database.appUrl));
    await expect(app.forget('a'.repeat(64), hour, async () => true)).rejects.toThrow();
    const { sql } = database.open(database.ownerUrl);
    await expect(sql`delete from files`).rejects.toMatchObject({ code: '42501' });
  } finally {
    await database.close();
  }
});

/** Resolves once a session of the application waits for a lock. */
async function waiting({ sql }: Database): Promise<string> {
  for (;;) {
    const [row] = await sql`
      select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database() limit 1`;
    if (row) return 'waits';
  }
}

/** A packed directory with contents of its own. */
async function packed(index: number) {
  const place = await scratch();
  try {
    await writeFile(join(place.path, 'hook.mjs'), `// ${index}`);
    const pack = await packDirectory(place.path);
    const content = await buffer(pack.open());
    return {
      sha256: pack.digest.replace('sha256:', ''),
      content,
      bytes: async () => content,
      open: () => Readable.from([content]),
    };
  } finally {
    await place.dispose();
  }
}

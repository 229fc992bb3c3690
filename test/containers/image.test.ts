import { existsSync } from 'node:fs';
import { rollback } from '@osa/core/hook/live';
import { traceRow } from '@osa/core/trace/trace';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { readRows } from '../data/read-rows.ts';
import {
  type ContainerBench,
  describeContainers,
  logOf,
  suiteBench,
} from '../support/containers/container-support.ts';
import {
  answering,
  type BuiltImage,
  buildImage,
  podman,
  podmanRunner,
  removeImages,
} from '../support/containers/images.ts';
import { type OciRegistry, startOciRegistry } from '../support/containers/oci-registry.ts';
import { standIn } from '../support/containers/stand-in.ts';
import { type CoreArchive, coreArchive, record } from '../support/core-archive.ts';
import { admin, until } from '../support/database/database.ts';

vi.setConfig({ testTimeout: 60_000 });

const zero = `sha256:${'0'.repeat(64)}`;
const page = { limit: 100, history: false, release: undefined };

let registry: OciRegistry;
let containers: ContainerBench;
describeContainers('the image of a release', () => {
  beforeAll(async () => {
    registry = await startOciRegistry();
  });
  afterAll(() => registry.close());
  suiteBench((made) => {
    containers = made;
  });

  /** Builds an image that says `text`, pushes it, and forgets it here. */
  async function pushed(text: string, name: string): Promise<BuiltImage> {
    const local = await buildImage({ script: `echo ${text}` });
    const there = await registry.push(local, name);
    await podman('rmi', '--force', `${local.image}:latest`);
    return there;
  }

  test('is pulled by its digest when it is not there', async () => {
    const image = await pushed('one', 'pull/me');
    const ending = await containers.run(image);
    expect(ending).toMatchObject({ ending: 'exited', resolvedDigest: image.digest, platformDigest: null });
    expect(logOf(ending)).toBe('one\n');
    await ending.dispose();
  });

  test('is looked up once, and again when somebody has removed it', async () => {
    const image = await pushed('one', 'looked/up');
    await using engine = await standIn('');
    const { runner } = engine;
    for (const lookUps of [3, 3]) {
      expect(logOf(await containers.run(image, { runner }))).toBe('one\n');
      expect(engine.count(/^image inspect/)).toBe(lookUps);
    }
    await containers.containers();
    await podman('rmi', '--force', `${image.image}@${image.digest}`);
    expect(await containers.run(image, { runner })).toMatchObject({
      ending: 'exited',
      resolvedDigest: image.digest,
    });
    expect(engine.count(/^pull /)).toBe(2);
    await containers.containers();
  });

  test('of a batch is made and started in one call, asked for its end once, and removed when it is settled', async () => {
    const image = await buildImage({ script: 'echo one' });
    await using engine = await standIn('');
    const { runner } = engine;
    await (await containers.run(image, { runner })).dispose();
    const before = engine.commands();
    const ending = await containers.run(image, { runner });
    const commands = () => engine.commands().slice(before.length).trim().split('\n');
    expect(commands().map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual([
      'run --sig-proxy=false',
      'container inspect',
    ]);
    await ending.dispose();
    expect(commands().slice(2)).toEqual([expect.stringMatching(/^rm --force --volumes osa-/)]);
  });

  test('that the engine makes no container of is waited for, and its complaint is told', async () => {
    const image = await buildImage({ script: 'echo one' });
    await using engine = await standIn(`[ "$1" = run ] && { echo 'Error: the disk is full' >&2; exit 125; }`);
    await expect(containers.run(image, { runner: engine.runner })).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('did not make the container: the disk is full'),
    });
    expect(engine.count(/^run /)).toBe(1);
  });

  test('image-02: is never asked for by its tag', async () => {
    const first = await pushed('one', 'moving/tag');
    const second = await pushed('two', 'moving/tag');
    expect(second.digest).not.toBe(first.digest);
    const tagged = { image: `${first.image}:latest`, digest: first.digest };
    expect(logOf(await containers.run(tagged))).toBe('one\n');
    expect(logOf(await containers.run(second))).toBe('two\n');
  });

  test('image-01: stays what it is when its local tag is moved', async () => {
    const one = await buildImage({ script: 'echo one' });
    await buildImage({ script: 'echo two' }, one.image);
    const ending = await containers.run({ ...one, image: `${one.image}:latest` });
    expect([logOf(ending), ending.resolvedDigest]).toEqual(['one\n', one.digest]);
  });

  test('that was never pushed is known by its id', async () => {
    const { image } = await buildImage({ script: 'echo local' });
    const id = await podman('image', 'inspect', `${image}:latest`, '--format', '{{.Id}}');
    const digest = `sha256:${id}`;
    expect(await containers.run({ image, digest })).toMatchObject({
      ending: 'exited',
      resolvedDigest: digest,
    });
  });

  test('of an index is recorded with the digest for this platform', async () => {
    const platform = await pushed('of a platform', 'an/index');
    const list = `localhost/osa-test-list-${process.pid}`;
    await podman('manifest', 'create', list, `docker://${platform.image}@${platform.digest}`);
    const digest = await registry.pushIndex(list, 'an/index');
    const index = { image: platform.image, digest };
    expect(await containers.run(index)).toMatchObject({
      resolvedDigest: digest,
      platformDigest: platform.digest,
    });
    expect(await containers.run(platform)).toMatchObject({
      resolvedDigest: platform.digest,
      platformDigest: null,
    });
    await podman('manifest', 'rm', list);
  });

  test.each(['moving/tag', 'no/such/name'])(
    'image-03: is not found when the registry lacks the digest of %s',
    async (name) => {
      const refusal = { code: 'not_found', message: expect.stringContaining('digest not found') };
      await expect(containers.run({ image: `${registry.host}/${name}`, digest: zero })).rejects.toMatchObject(
        refusal,
      );
      expect(await containers.containers()).toEqual([]);
    },
  );

  test('image-08: is refused when it has nothing to start', async () => {
    const image = await buildImage({});
    await expect(containers.run(image)).rejects.toMatchObject({ code: 'invalid', field: 'release.image' });
  });

  test.each(['--root=/tmp/elsewhere', 'a b', 'A/B', '../x', 'x\ny'])(
    'is refused before the engine sees it when its name is %j',
    async (image) => {
      await expect(containers.run({ image, digest: zero })).rejects.toMatchObject({
        code: 'invalid',
        field: 'release.image',
      });
    },
  );

  test('is refused when it was built for another kind of machine', async () => {
    const image = await buildImage({ script: 'echo one' });
    const foreign = `sed 's/"Architecture": ".*"/"Architecture": "s390x"/'`;
    await using engine = await standIn(`[ "$1 $2" = 'image inspect' ] && { $real "$@" | ${foreign}; exit; }`);
    await expect(containers.run(image, { runner: engine.runner })).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringContaining('linux/s390x'),
    });
  });

  test.each([
    ['unavailable', 'open /var/lib/containers/storage: permission denied'],
    ['unavailable', 'permission denied while trying to connect to the Docker daemon socket'],
    ['access_denied', 'denied: requested access to the resource is denied'],
    ['access_denied', 'error from registry: denied'],
    ['access_denied', 'unable to retrieve auth token: unauthorized'],
  ])('whose pull ends as %s says: %s', async (code, said) => {
    await using engine = await standIn(`[ "$1" = pull ] && { echo 'Error: ${said}' >&2; exit 125; }`);
    const request = containers.run({ image: 'localhost/none', digest: zero }, { runner: engine.runner });
    await expect(request).rejects.toMatchObject({ code });
  });

  test.each([
    ['the index is looked up', `[ "$1 $2" = 'manifest inspect' ] && { touch $asked; exec sleep 30; }`],
    ['the image is looked at', `[ "$1 $2" = 'image inspect' ] && { touch $asked; sleep 1; }`],
  ])('is not started when the work is cancelled while %s', async (_when, script) => {
    const platform = await pushed('of a platform', 'cancelled/index');
    const list = `localhost/osa-test-cancelled-${process.pid}`;
    await podman('manifest', 'create', list, `docker://${platform.image}@${platform.digest}`);
    const digest = await registry.pushIndex(list, 'cancelled/index');
    await podman('manifest', 'rm', list);
    await podman('pull', '--quiet', `${platform.image}@${digest}`);
    await using engine = await standIn(script);
    const abort = new AbortController();
    const reason = new Error('the lease is lost');
    const work = containers.run(
      { image: platform.image, digest },
      { runner: engine.runner, signal: abort.signal },
    );
    const ended = expect(work).rejects.toBe(reason);
    await until('the question', async () => existsSync(engine.asked));
    abort.abort(reason);
    await ended;
    expect(engine.commands()).not.toMatch(/^run /m);
  });

  test.each([
    ['is not there', ['/nothing/here']],
    ['is not a program', ['/hook.sh']],
  ])('image-08: is refused when its entrypoint %s', async (_what, entrypoint) => {
    const image = await buildImage({ lines: [`ENTRYPOINT ${JSON.stringify(entrypoint)}`] });
    await expect(containers.run(image)).rejects.toMatchObject({ code: 'invalid', field: 'release.image' });
    expect(await containers.containers()).toEqual([]);
  });

  test('gets no volume of those that it declares', async () => {
    const image = await buildImage({ script: 'echo x > /cache/x || echo refused', lines: ['VOLUME /cache'] });
    const before = await podman('volume', 'ls', '--quiet');
    expect(logOf(await containers.run(image))).toContain('refused');
    expect(await podman('volume', 'ls', '--quiet')).toBe(before);
  });

  test('without an engine may run later', async () => {
    const image = await buildImage({ script: 'echo one' });
    const runner = podmanRunner(1_000, { PATH: '/nowhere' });
    await expect(containers.run(image, { runner })).rejects.toMatchObject({ code: 'unavailable' });
  });

  test('is compared with what the engine says it ran', async () => {
    const image = await buildImage({ script: 'echo one' });
    const other = `sha256:${'1'.repeat(64)}`;
    // An engine that says it ran another image.
    const lie = `sed 's/^\\( *"Image": "\\).*"/\\1${other}"/'`;
    await using engine = await standIn(`[ "$1 $2" = 'container inspect' ] && { $real "$@" | ${lie}; exit; }`);
    expect(await containers.run(image, { runner: engine.runner })).toMatchObject({
      ending: 'exited',
      resolvedDigest: other,
    });
  });
});

describeContainers('a hook whose images move', () => {
  let bench: CoreArchive;
  beforeEach(async () => {
    registry = await startOciRegistry();
    bench = await coreArchive({ runners: [podmanRunner()] });
    return async () => {
      await bench.dispose();
      await registry.close();
      await removeImages();
    };
  });

  /** An image whose rows say which version it is. */
  const versionImage = async (version: number, name: string) =>
    registry.push(await buildImage({ script: answering(`answer ${version}`) }), name);

  test('image-02, image-10: runs the image of each release, whatever its tag has become', async () => {
    const name = 'versions/hook';
    const first = await versionImage(1, name);
    await bench.deploy({ versioned: { image: { ...first, image: `${first.image}:latest` } } });
    const second = await versionImage(2, name);
    await bench.ingest([record('a', 1)]);
    await bench.drain();
    await bench.deploy({ versioned: { image: { ...second, image: `${second.image}:latest` } } });
    await bench.ingest([record('b', 1)]);
    await bench.drain();
    await rollback(bench.store, { principal: admin }, 'versioned', { reason: 'compare' });
    await bench.ingest([record('c', 1)]);
    await bench.drain();
    const { rows } = await readRows(bench.store, 'bench-record', 'versioned', page);
    expect(rows.map(({ value, release }) => [value, release])).toEqual([
      [1, 1],
      [2, 2],
      [1, 1],
    ]);
    for (const row of rows) {
      const { run, release } = await traceRow(bench.store, admin, { hook: 'versioned', id: Number(row.id) });
      expect(run.attempts).toMatchObject([{ ending: 'exited', resolved_digest: release.digest }]);
    }
  });

  test('stops the ingestion when its digest is gone', async () => {
    const local = await buildImage({ script: answering('answer 41') });
    const image = await registry.push(local, 'soon/gone');
    await bench.deploy({ gone: { image } });
    await registry.remove(image);
    await removeImages();
    const { id } = await bench.ingest([record('a', 1)]);
    await bench.drain();
    const shown = await bench.store.ingestions.show(id);
    expect(shown).toMatchObject({ status: 'failed', published: 0 });
    expect(JSON.stringify(shown)).toContain('digest not found');
    expect(await bench.database.sql`select ending from attempts`).toEqual([{ ending: 'not_started' }]);
  });
});

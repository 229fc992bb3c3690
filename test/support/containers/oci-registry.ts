import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type BuiltImage, podman } from './images.ts';

export interface OciRegistry {
  /** Such as `127.0.0.1:41234`. */
  readonly host: string;
  /** Pushes a built image; the answer names it as the registry has it. */
  push(image: BuiltImage, name: string): Promise<BuiltImage>;
  /** Pushes a manifest list with what it lists; the answer is its digest. */
  pushIndex(list: string, name: string): Promise<string>;
  /** Removes a manifest from the registry by its digest. */
  remove(image: BuiltImage): Promise<void>;
  close(): Promise<void>;
}

/** Debian's docker-registry on a free loopback port. */
export async function startOciRegistry(): Promise<OciRegistry> {
  const place = await mkdtemp(join(tmpdir(), 'osa-registry-'));
  const host = `127.0.0.1:${await freePort()}`;
  const config = join(place, 'config.yml');
  await writeFile(
    config,
    `version: 0.1
log: { level: error }
storage: { filesystem: { rootdirectory: ${place}/data }, delete: { enabled: true } }
http: { addr: "${host}" }
`,
  );
  const server = spawn('docker-registry', ['serve', config], { stdio: 'ignore' });
  await untilItAnswers(`http://${host}/v2/`);
  return {
    host,
    async push(image, name) {
      const there = `${host}/${name}`;
      const digestFile = join(place, 'digest');
      await podman(
        'push',
        '--quiet',
        '--tls-verify=false',
        '--digestfile',
        digestFile,
        `${image.image}:latest`,
        `${there}:latest`,
      );
      return { image: there, digest: (await readFile(digestFile, 'utf8')).trim() };
    },
    async pushIndex(list, name) {
      const digestFile = join(place, 'digest');
      await podman(
        'manifest',
        'push',
        '--all',
        '--digestfile',
        digestFile,
        list,
        `docker://${host}/${name}:index`,
      );
      return (await readFile(digestFile, 'utf8')).trim();
    },
    async remove({ image, digest }) {
      const url = `http://${image.replace('/', '/v2/')}/manifests/${digest}`;
      const { ok, status } = await fetch(url, { method: 'DELETE' });
      if (!ok) throw new Error(`the registry answered ${status}`);
    },
    async close() {
      server.kill('SIGKILL');
      await rm(place, { recursive: true, force: true });
    },
  };
}

/** A loopback port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', resolve);
  await promise;
  const address = server.address();
  await new Promise((closed) => server.close(closed));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

async function untilItAnswers(url: string): Promise<void> {
  for (let tries = 0; tries < 400; tries += 1) {
    const answer = await fetch(url).catch(() => undefined);
    if (answer?.ok) return;
    await delay(50);
  }
  throw new Error(`${url} does not answer`);
}

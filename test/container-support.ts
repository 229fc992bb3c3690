import { execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sha256 } from '@osa/core/hook/release';
import type { Ending, InputRecord, Runner, Task } from '@osa/core/run/runner';
import { runners } from '@osa/core/runners/index';
import { execa } from 'execa';
import { describe } from 'vitest';
import { until } from './harness.ts';

/**
 * Hooks in containers, for tests: images made from a shell script and a static busybox, a registry on loopback, and
 * single tasks run by the real runner. Nothing comes from the network.
 */

const busybox = ['/bin/busybox', '/usr/bin/busybox'].find((path) => existsSync(path));
const missing = ['podman', 'runc', 'docker-registry'].filter((program) => !isThere(program));
if (busybox === undefined) missing.push('busybox-static');

/** Whether containers can be run here. With OSA_REQUIRE_CONTAINERS=1 their absence is a failure, not a skip. */
export const hasContainers = missing.length === 0;

/** A `describe` for what needs containers; skipped by name where they are missing. */
export function describeContainers(name: string, tests: () => void): void {
  if (!hasContainers && process.env.OSA_REQUIRE_CONTAINERS === '1') {
    throw new Error(`OSA_REQUIRE_CONTAINERS=1, and this machine lacks ${missing.join(', ')}`);
  }
  describe.skipIf(!hasContainers)(name, tests);
}

function isThere(program: string): boolean {
  try {
    execFileSync('sh', ['-c', 'command -v "$1"', 'sh', program], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Runs podman and gives what it printed; it must succeed. */
export async function podman(...args: string[]): Promise<string> {
  const { stdout } = await execa('podman', args, { env: registryEnvironment() });
  return stdout.trim();
}

export interface ImageSource {
  /** The shell script that is the image's entrypoint; busybox's programs are on its PATH. */
  readonly script?: string;
  /** Lines of the Containerfile after the entrypoint, such as `USER 0` or `ENTRYPOINT []`. */
  readonly lines?: readonly string[];
  /** Files beside the script, by their absolute path in the image. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  /** Modes of those files, such as `4755`; 0644 otherwise. */
  readonly modes?: Readonly<Record<string, string>>;
}

export interface BuiltImage {
  /** The name without a tag; the image has the tag `latest` under it. */
  readonly image: string;
  readonly digest: string;
}

let built = 0;

/** Images of this test file, also when they have come back from a registry. */
const label = `osa.test=${process.pid}`;

/** Builds an image of a script and busybox, from nothing else. */
export async function buildImage(source: ImageSource, name?: string): Promise<BuiltImage> {
  built += 1;
  const image = name ?? `localhost/osa-test-${process.pid}-${built}`;
  const base = await baseImage();
  await inContext(async (context) => {
    await writeContext(context, base, source);
    await podman('build', '--quiet', '--layers=false', '--label', label, '--tag', `${image}:latest`, context);
  });
  return { image, digest: await podman('image', 'inspect', `${image}:latest`, '--format', '{{.Digest}}') };
}

/** Removes the images of this test file. */
export async function removeImages(): Promise<void> {
  const ids = await podman('images', '--all', '--quiet', '--no-trunc', '--filter', `label=${label}`);
  const unique = [...new Set(ids.split('\n').filter(Boolean))];
  if (unique.length > 0) await podman('rmi', '--force', ...unique);
}

/** The static busybox with its programs; it stays on the machine, as it costs more to make than all else. */
async function baseImage(): Promise<string> {
  const name = 'localhost/osa-test-busybox:latest';
  const { exitCode } = await execa('podman', ['image', 'exists', name], { reject: false });
  if (exitCode === 0) return name;
  await inContext(async (context) => {
    await copyFile(busybox ?? '', join(context, 'busybox'));
    const lines = [
      'FROM scratch',
      'COPY busybox /bin/busybox',
      'RUN ["/bin/busybox", "--install", "-s", "/bin"]',
      'ENV PATH=/bin',
    ];
    await writeFile(join(context, 'Containerfile'), `${lines.join('\n')}\n`);
    await podman('build', '--quiet', '--layers=false', '--tag', name, context);
  });
  return name;
}

async function inContext(work: (context: string) => Promise<void>): Promise<void> {
  const context = await mkdtemp(join(tmpdir(), 'osa-image-'));
  try {
    await work(context);
  } finally {
    await rm(context, { recursive: true });
  }
}

async function writeContext(context: string, base: string, source: ImageSource): Promise<void> {
  const { script, lines = [], files = {}, modes = {} } = source;
  await writeFile(join(context, 'hook.sh'), `${script ?? ''}\n`);
  const copies: string[] = [];
  for (const [index, [path, content]] of Object.entries(files).entries()) {
    await writeFile(join(context, `file-${index}`), content);
    copies.push(`COPY --chmod=${modes[path] ?? '644'} file-${index} ${path}`);
  }
  const containerfile = [
    `FROM ${base}`,
    'COPY hook.sh /hook.sh',
    ...copies,
    ...(script === undefined ? [] : ['ENTRYPOINT ["/bin/sh", "/hook.sh"]']),
    ...lines,
  ];
  await writeFile(join(context, 'Containerfile'), `${containerfile.join('\n')}\n`);
}

export interface TaskOptions {
  readonly id?: string;
  readonly records?: readonly InputRecord[];
  readonly config?: Task['release']['config'];
  readonly memoryMiB?: number;
  readonly timeoutSeconds?: number;
  readonly cpuMillicores?: number;
  readonly signal?: AbortSignal;
  readonly runner?: Runner;
}

export interface ContainerBench {
  /** Where attempts have their directories. */
  readonly workspace: string;
  readonly runner: Runner;
  task(image: BuiltImage, options?: TaskOptions): Task;
  /** Runs one task of an image with the real runner. */
  run(image: BuiltImage, options?: TaskOptions): Promise<Ending>;
  /** Builds an image of a shell script and runs it. */
  runScript(script: string, options?: TaskOptions): Promise<Ending>;
  /** Containers of this workspace, running or not, by id. */
  containers(): Promise<string[]>;
  dispose(): Promise<void>;
}

/** A place to run single tasks in. */
export async function containerBench(): Promise<ContainerBench> {
  const place = await mkdtemp(join(tmpdir(), 'osa-containers-'));
  const workspace = join(place, 'work');
  await mkdir(workspace);
  const runner = podmanRunner();
  let count = 0;
  const task: ContainerBench['task'] = (image, options = {}) => {
    count += 1;
    return taskOf(image, { workspace, id: `task-${count}`, ...options });
  };
  const run: ContainerBench['run'] = (image, options = {}) =>
    (options.runner ?? runner).run(task(image, options), options.signal ?? new AbortController().signal);
  return {
    workspace,
    runner,
    task,
    run,
    runScript: async (script, options) => run(await buildImage({ script }), options),
    async containers() {
      const label = `osa.workspace=${sha256(await realpath(workspace)).slice(0, 32)}`;
      const listed = await podman('ps', '--all', '--quiet', '--no-trunc', '--filter', `label=${label}`);
      return listed.split('\n').filter((line) => line !== '');
    },
    async dispose() {
      await runner.sweep(workspace);
      await rm(place, { recursive: true, force: true });
    },
  };
}

export function podmanRunner(pullTimeoutMs = 20_000, environment: NodeJS.ProcessEnv = {}): Runner {
  return runners.container({
    engine: { name: 'podman', options: [] },
    environment: { ...process.env, ...registryEnvironment(), ...environment },
    pullTimeoutMs,
  });
}

function taskOf(
  { image, digest }: BuiltImage,
  options: TaskOptions & { readonly workspace: string; readonly id: string },
): Task {
  const memoryBytes = (options.memoryMiB ?? 64) * 2 ** 20;
  return {
    id: options.id,
    workspace: options.workspace,
    hook: 'a_hook',
    release: {
      runtime: 'image',
      image,
      digest,
      command: null,
      config: options.config ?? {},
      limits: {
        memory_bytes: memoryBytes,
        cpu_millicores: options.cpuMillicores ?? 1_000,
        timeout_seconds: options.timeoutSeconds ?? 60,
      },
    },
    memoryBytes,
    records: options.records ?? [],
  };
}

/** What the runner's stdout and stderr were. */
export function logOf(ending: Pick<Ending, 'log'>): string {
  return Buffer.from(ending.log).toString();
}

export interface Registry {
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
export async function startRegistry(): Promise<Registry> {
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
  await until(`the registry on ${host}`, async () => {
    const answer = await fetch(`http://${host}/v2/`).catch(() => undefined);
    return answer?.ok;
  });
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

/** A registries.conf(5) under which loopback needs no TLS. */
function registryEnvironment(): NodeJS.ProcessEnv {
  return { CONTAINERS_REGISTRIES_CONF: join(import.meta.dirname, 'fixtures', 'registries.conf') };
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

/**
 * A shell script that answers each record, in order, with what `body` prints; `$id` is the record's id, and
 * `answer VALUE` prints the line of a record with one row `{"value": VALUE}`.
 */
export function answering(body: string): string {
  return `count=$(wc -l < $OSA_IN/records.jsonl)
answer() { printf '{"id":"%s","features":[{"value":%s}]}\\n' "$id" "$1" >> $OSA_OUT/features.jsonl; }
while IFS= read -r line; do
  id=\${line#*'"id":"'}; id=\${id%%'"'*}
  ${body}
done < $OSA_IN/records.jsonl`;
}

/** A line of shell that takes as much memory as it says, for a moment. */
export function takeMemory(mebibytes: number): string {
  return `{ dd if=/dev/zero of=/dev/null bs=${mebibytes}M count=1 2> /dev/null || exit 1; }`;
}

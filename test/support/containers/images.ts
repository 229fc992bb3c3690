import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Runner } from '@osa/core/run/runner';
import { containerRunner } from '@osa/core/runners/container/container-runner';
import { findRuntime } from '@osa/core/runners/container/find-runtime';
import type { OnLeft } from '@osa/core/runners/container/removal';
import { outputQuota } from '@osa/core/runners/shared/output-quota';
import { execa } from 'execa';

/** Images made from a shell script and a static busybox; nothing comes from the network. */

const busybox = ['/bin/busybox', '/usr/bin/busybox'].find((path) => existsSync(path));
/** Programs that containers need and this machine, or this user, lacks. */
export const missing = ['podman', 'docker-registry'].filter((program) => !isThere(program));
if (busybox === undefined) missing.push('busybox-static');
// The limits of a hook hold for root's containers on every host; for those of others it depends on the host.
if (process.getuid?.() !== 0) missing.push('root');
if (missing.length === 0) await chooseRuntime();

/** Lets all that runs podman in these tests, daemons too, take the runtime and the cgroup manager that work here. */
async function chooseRuntime(): Promise<void> {
  const { options, flaws } = await findRuntime(process.env);
  if (options === undefined) missing.push(`a podman that can run containers (${flaws.join('; ')})`);
  const [, runtime, , manager] = options ?? [];
  if (runtime === undefined) return;
  const file = join(mkdtempSync(join(tmpdir(), 'osa-podman-')), 'containers.conf');
  writeFileSync(file, `[engine]\nruntime = "${runtime}"\ncgroup_manager = "${manager}"\n`);
  process.env.CONTAINERS_CONF = file;
  process.once('exit', () => rmSync(dirname(file), { recursive: true, force: true }));
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

/** Where the real program is, for what stands in front of it. */
export async function podmanPath(): Promise<string> {
  const { stdout } = await execa('sh', ['-c', 'command -v podman']);
  return stdout;
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

/** Root, which containers need here anyway, has one. */
export const quota = missing.length === 0 ? await outputQuota() : undefined;

export function podmanRunner(
  pullTimeoutMs = 20_000,
  environment: NodeJS.ProcessEnv = {},
  onLeft: OnLeft = () => undefined,
): Runner {
  return containerRunner({
    engine: { name: 'podman', options: [] },
    environment: { ...process.env, ...registryEnvironment(), ...environment },
    pullTimeoutMs,
    onLeft,
    quota,
  });
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

/** A registries.conf(5) under which loopback needs no TLS. */
export function registryEnvironment(): NodeJS.ProcessEnv {
  return { CONTAINERS_REGISTRIES_CONF: join(import.meta.dirname, '../fixtures', 'registries.conf') };
}

import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { execa } from 'execa';

/**
 * Builds an image for each hook and prints the command that deploys them. Their base is this node with the libraries
 * that it is linked to, so nothing is downloaded. In your own project the base would be an image such as `node:26-slim`.
 */

const hooks = ['seismic_energy', 'felt_radius'] as const;

export interface HookImage {
  readonly hook: (typeof hooks)[number];
  readonly image: string;
  readonly digest: string;
}

export async function buildImages(
  engine: string,
  prefix = 'localhost/usgs-earthquakes',
): Promise<HookImage[]> {
  const base = `${prefix}/node:latest`;
  await buildNode(engine, base);
  const images: HookImage[] = [];
  for (const hook of hooks) {
    const image = `${prefix}/${hook}`;
    const directory = join(import.meta.dirname, 'hooks');
    const file = join(directory, 'Containerfile');
    const tag = `${image}:latest`;
    await execa(engine, [
      'build',
      '--quiet',
      '--build-arg',
      `BASE=${base}`,
      '--file',
      file,
      '--tag',
      tag,
      join(directory, hook),
    ]);
    images.push({ hook, image, digest: await digestOf(engine, tag) });
  }
  return images;
}

/** Podman knows the digest of an image's manifest; docker, before a push, only its id. */
async function digestOf(engine: string, tag: string): Promise<string> {
  const { stdout } = await execa(engine, ['image', 'inspect', tag]);
  const [found] = JSON.parse(stdout) as { Id: string; Digest?: string }[];
  if (!found) throw new Error(`${engine} does not know ${tag}, which it has built`);
  return found.Digest ?? found.Id;
}

/** The base: this node and its libraries, and nothing else. */
export async function buildNode(engine: string, tag: string): Promise<void> {
  const context = await mkdtemp(join(tmpdir(), 'osa-node-'));
  try {
    const { stdout } = await execa('ldd', [process.execPath]);
    const libraries = [...stdout.matchAll(/(?:=> )?(\/\S+) \(0x/g)].map(([, path = '']) => path);
    await mkdir(join(context, 'lib'));
    for (const path of libraries) await cp(path, join(context, 'lib', basename(path)), { dereference: true });
    await cp(process.execPath, join(context, 'node'));
    // The one library whose path is part of the program; the others are searched for.
    const loader =
      libraries.find((path) => basename(path).startsWith('ld-')) ?? '/lib64/ld-linux-x86-64.so.2';
    const lines = [
      'FROM scratch',
      `COPY lib/${basename(loader)} ${loader}`,
      'COPY lib /usr/lib',
      'COPY node /usr/bin/node',
      'ENV PATH=/usr/bin LD_LIBRARY_PATH=/usr/lib',
    ];
    await writeFile(join(context, 'Containerfile'), `${lines.join('\n')}\n`);
    await execa(engine, [
      'build',
      '--quiet',
      '--file',
      join(context, 'Containerfile'),
      '--tag',
      tag,
      context,
    ]);
  } finally {
    await rm(context, { recursive: true });
  }
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { engine: { type: 'string', default: 'podman' } } });
  const images = await buildImages(values.engine);
  const releases = images.map(({ hook, image, digest }) => `  --release ${hook}=${image}@${digest}`);
  console.log(['osa deploy convention.container.yaml', ...releases].join(' \\\n'));
}

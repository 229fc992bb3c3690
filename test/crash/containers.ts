import { chmod, mkdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256 } from '@osa/core/hook/release';
import { execa } from 'execa';
import { buildImage, missing, removeImages, takeMemory } from '../images.ts';
import { type HookName, hookNames, type Packed } from './hooks.ts';

/** What a campaign with containers shares: images that are made once, since a run could wait for none. */
export interface Containers extends AsyncDisposable {
  /** The codes of each hook, in the order in which a run releases them; after the last the first comes again. */
  readonly images: ReadonlyMap<HookName, readonly Packed[]>;
}

/** What a container gets by its release. Half of what `greedy` takes, so that a record of it needs a second try. */
export const containerMemory = '32m';
/** The value of a record that takes more memory than a release gives. */
const greedyValue = 6;
const codesPerHook = 6;

export async function makeContainers(): Promise<Containers> {
  if (missing.length > 0) throw new Error(`containers need ${missing.join(', ')}`);
  const images = new Map<HookName, Packed[]>();
  for (const hook of hookNames) {
    const codes: Packed[] = [];
    for (let n = 1; n <= codesPerHook; n += 1) {
      const token = `${hook}-${n}`;
      codes.push({ token, ...(await buildImage({ script: scriptOf(hook, token) })), bytes: undefined });
    }
    images.set(hook, codes);
  }
  return { images, [Symbol.asyncDispose]: removeImages };
}

/** The same rows as the code of a directory gives; what is finished is written before the next record is looked at. */
function scriptOf(hook: HookName, token: string): string {
  const row = `printf '%s{"oracle":"${token}","source":"%s","value":%s}' "$comma" "$id" $((value * 10 + n))`;
  return `while IFS= read -r line; do
  id=\${line#*'"id":"'}; id=\${id%%'"'*}
  value=\${line#*'"value":'}; value=\${value# }; value=\${value%%[!0-9-]*}
  [ "$value" = ${greedyValue} ] && ${takeMemory(40)}
  ${hook === 'beta' ? `[ "$value" -lt 0 ] && { printf '{"id":"%s","reason":"negative"}\\n' "$id" >> $OSA_OUT/rejections.jsonl; continue; }` : ''}
  count=${hook === 'beta' ? '$((value % 4))' : '1'}; n=0; comma=
  { printf '{"id":"%s","features":[' "$id"
    while [ $n -lt $count ]; do ${row}; comma=,; n=$((n + 1)); done
    printf ']}\\n'; } >> $OSA_OUT/features.jsonl
done < $OSA_IN/records.jsonl
exit 0`;
}

/** The engine as one daemon sees it: it can be gone for a while, and it writes down which containers it makes. */
export interface EngineOfDaemon {
  /** Stands first on the daemon's PATH. */
  readonly path: string;
  down(): Promise<void>;
  up(): Promise<void>;
  /** Ends the code of all containers of the daemon; the answer names their runs. */
  killAll(): Promise<string[]>;
  /** Containers that are left, running or not. */
  left(): Promise<string[]>;
  /** What it was told to make. */
  made(): Promise<Made[]>;
}

export interface Made {
  /** Run, fence and attempt. */
  readonly run: string;
  readonly fence: string;
  readonly n: number;
  readonly memoryBytes: number;
}

/** `place` is the daemon's own directory, in which its workspace is. */
export async function engineOf(place: string): Promise<EngineOfDaemon> {
  const path = join(place, 'engine');
  await mkdir(path, { recursive: true });
  const [gone, made] = [join(path, 'gone'), join(path, 'made')];
  const { stdout: podman } = await execa('sh', ['-c', 'command -v podman']);
  const script = `#!/bin/sh
[ -e '${gone}' ] && { echo 'Error: the engine is gone' >&2; exit 125; }
[ "$1" = create ] && echo "$*" >> '${made}'
exec '${podman}' "$@"
`;
  await writeFile(join(path, 'podman'), script);
  await chmod(join(path, 'podman'), 0o755);
  const list = async (...args: string[]) => {
    const workspace = await realpath(join(place, 'work')).catch(() => undefined);
    if (workspace === undefined) return [];
    const label = `label=osa.workspace=${sha256(workspace).slice(0, 32)}`;
    const { stdout } = await execa(podman, ['ps', '--filter', label, '--format', '{{.Names}}', ...args]);
    return stdout.split('\n').filter(Boolean);
  };
  return {
    path,
    down: () => writeFile(gone, ''),
    up: () => rm(gone, { force: true }),
    async killAll() {
      const names = await list();
      // One may have ended by itself meanwhile.
      if (names.length > 0) await execa(podman, ['kill', '--signal', 'KILL', ...names], { reject: false });
      return names.map((name) => taskOf(name).run);
    },
    left: () => list('--all'),
    async made() {
      const text = await readFile(made, 'utf8').catch(() => '');
      return text.split('\n').filter(Boolean).map(madeOf);
    },
  };
}

function madeOf(line: string): Made {
  const [, name = ''] = /--name (\S+) /.exec(line) ?? [];
  const [, memory] = /--memory (\d+)b /.exec(line) ?? [];
  return { ...taskOf(name), memoryBytes: Number(memory) };
}

/** The name of a container ends with its run, which is a UUID, its fence and its attempt. */
function taskOf(name: string): Omit<Made, 'memoryBytes'> {
  const [, run, fence, n] = /([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-(\d+)-(\d+)$/.exec(name) ?? [];
  if (run === undefined || fence === undefined) throw new Error(`a container is named ${name}`);
  return { run, fence, n: Number(n) };
}

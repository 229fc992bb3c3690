import { resolve } from 'node:path';
import type { Answer, Body } from '@osa/core/api';
import { asOsaError, OsaError } from '@osa/core/error';
import { Limits } from '@osa/core/hook/release';
import { type Context, defineCommand } from '../../command.ts';
import type { Client } from '../../http/client.ts';
import { fileListDocument, fileListLines, listFilesOption, noteWarnings } from '../../packing/file-list.ts';
import type { HookPackage } from '../../packing/hook-package.ts';
import { parseImage } from '../../packing/image.ts';
import { parseSetting, type Setting, saidConfig } from '../../packing/release-config.ts';
import { isUploaded, uploadCode } from '../../packing/upload.ts';
import { commandArguments, integer, text } from '../../terminal/parse.ts';
import { reasonOption } from '../pause.ts';
import { mintedLines } from './lines.ts';
import { tellingWhatMoved } from './move-pointer.ts';

export const hooksRelease = defineCommand({
  description:
    'Makes a new release of a hook without a deploy, and makes it live. Everything that you leave out is ' +
    'taken from the live release. Releasing exactly the same again changes nothing.\n\n' +
    'A directory is packed here and uploaded by digest, except the files that git or .osaignore leaves ' +
    'out, caches and .env files. The source_ref of new code comes from git. It ends in -dirty unless the ' +
    'bytes are those of the commit. For an image, git is asked in the current directory.\n\n' +
    'If someone changed the live release after osa read it, nothing happens and osa shows the current ' +
    'state.',
  arguments: { hook: { description: "the hook's name" } },
  options: {
    image: { value: 'IMAGE', description: 'run this image, REF@sha256:…', parse: parseImage },
    directory: { value: 'DIR', description: 'run this directory', parse: text(4_096) },
    command: {
      value: 'COMMAND',
      description: `the command of a directory: words, or a JSON list such as '["node","my hook.mjs"]'`,
      parse: commandArguments,
    },
    config: { value: 'FILE', description: 'a JSON file with the whole config', parse: text(4_096) },
    set: {
      value: 'KEY=VALUE',
      description: 'change one key of the live config, or of --config; a value that is not JSON is a text',
      repeatable: true,
      parse: parseSetting,
    },
    memory: {
      value: 'SIZE',
      description: 'memory with a binary unit, such as 256m',
      parse: limit(Limits.shape.memory),
    },
    cpu: { value: 'CORES', description: 'cores, such as 0.5', parse: limit(Limits.shape.cpu) },
    timeout: { value: 'SECONDS', description: 'seconds for one attempt', parse: integer(1, 86_400) },
    sourceRef: { value: 'REF', description: 'where the code comes from', parse: text(1_000) },
    live: { negated: true, description: 'do not make it live' },
    ...reasonOption,
    listFiles: listFilesOption,
  },
  examples: [
    ['osa hooks release find_pockets --image ghcr.io/acme/find_pockets@sha256:…', 'another image'],
    ['osa hooks release seismic_energy --directory hooks/seismic_energy', 'the code in this directory'],
    [
      'osa hooks release seismic_energy --set relation=choy --reason "try Choy"',
      'the same code, other config',
    ],
    ['osa hooks release seismic_energy --memory 1g --no-live', 'more memory, not live yet'],
  ],
  json: '{"hook_name", "version", "id", "digest", "source_ref", "built_at", "created", "live", "is_live", "live_version",\n"live_seq"}',
  async run(context, { arguments: { hook: name }, options }) {
    const { image, directory, command, config, set } = options;
    refuseClashes(options);
    if (options.listFiles) {
      await listFiles(context, name, { directory, command: command ?? [] });
      return undefined;
    }
    const client = context.client();
    // All that can be wrong here is found before anything is uploaded.
    const said = await saidConfig(context.sources.cwd, { file: config, set });
    const hook = await client.call('showHook', { params: { name } });
    const started = command ?? hook.live?.command ?? [];
    const code = directory === undefined ? undefined : await pack(context, directory, started);
    if (code) {
      noteWarnings(context, name, code);
      if (command === undefined) await requireCommand(client, hook, code);
      await uploadCode(context, client, { hook: name, scope: `hooks:write:${name}`, packed: code });
    }
    const body: Body<'release'> = {
      ...(image && { runtime: 'image', image: image.name, digest: image.digest }),
      ...(code && { runtime: 'directory', digest: code.digest }),
      command,
      ...said,
      limits: { memory: options.memory, cpu: options.cpu, timeout_seconds: options.timeout },
      source_ref: options.sourceRef ?? (await sourceFor(context, name, { image, code })),
      live: options.live,
      reason: options.reason,
      expected_live_seq: hook.live_seq ?? undefined,
    };
    const answer = await tellingWhatMoved(context, client, hook, () =>
      client.call('release', { params: { name }, body }).catch((error: unknown) => {
        // Other code is given the live config only by somebody who may read it.
        const needed = `runs:read:${name}`;
        if (asOsaError(error)?.details.scope !== needed) throw error;
        return client.call('release', { params: { name }, body, scopes: [needed] });
      }),
    );
    context.output.result(answer, mintedLines(answer, { before: hook.live, sent: body.source_ref }));
    return undefined;
  },
});

/** Text that keeps the rules of a limit. */
function limit(shape: (typeof Limits.shape)['memory' | 'cpu']): (given: string) => string {
  return (given) => {
    const parsed = shape.safeParse(given);
    if (parsed.success) return parsed.data;
    throw new OsaError('usage', `It ${parsed.error.issues[0]?.message}.`, { cause: parsed.error });
  };
}

interface Given {
  readonly image: object | undefined;
  readonly directory: string | undefined;
  readonly command: readonly string[] | undefined;
  readonly config: string | undefined;
  readonly set: readonly Setting[];
  readonly memory: string | undefined;
  readonly cpu: string | undefined;
  readonly timeout: number | undefined;
  readonly sourceRef: string | undefined;
}

/** @throws OsaError `usage` */
function refuseClashes(given: Given): void {
  const { image, directory, command, config, set, memory, cpu, timeout, sourceRef } = given;
  const refused = (message: string, field: string) => new OsaError('usage', message, { field });
  if (image && directory !== undefined) throw refused('--image and --directory: give one of them', 'image');
  if (image && command) throw refused('--command is for a directory; an image has its own', 'command');
  const changes = [image, directory, command, config, ...set, memory, cpu, timeout];
  if (changes.some((change) => change !== undefined)) return;
  const why = sourceRef === undefined ? 'nothing is given' : '--source-ref alone makes no other release';
  throw refused(
    `${why}: a release needs --image, --directory, --command, --config, --set, --memory, --cpu or --timeout`,
    'image',
  );
}

/**
 * A directory that the server knows may be a known release's, which has its command.
 *
 * @throws OsaError `usage` where no release says what starts the code
 */
async function requireCommand(
  client: Client,
  { name, live }: Answer<'showHook'>,
  packed: HookPackage,
): Promise<void> {
  if (live?.runtime === 'directory' || (await isUploaded(client, packed, `hooks:write:${name}`))) return;
  const why = live ? `the live release v${live.version} runs an image` : 'no release is live';
  throw new OsaError('usage', `--command: is needed, since ${why} and has no command to carry over`, {
    field: 'command',
  });
}

async function pack(
  { sources, signal: stop }: Context,
  directory: string,
  command: readonly string[],
): Promise<HookPackage> {
  const { packHook } = await import('../../packing/hook-package.ts');
  return packHook(resolve(sources.cwd, directory), { command, environment: sources.environment, stop });
}

/** @throws OsaError `usage` without a directory */
async function listFiles(
  context: Context,
  name: string,
  { directory, command }: { readonly directory: string | undefined; readonly command: readonly string[] },
): Promise<void> {
  if (directory === undefined) {
    throw new OsaError('usage', '--list-files: give the --directory whose files to list', {
      field: 'listFiles',
    });
  }
  const code = await pack(context, directory, command);
  noteWarnings(context, name, code);
  const packages = new Map([[name, code]]);
  context.output.result(fileListDocument(packages), fileListLines(packages));
}

/** Undefined where the code stays the same, and with it where it comes from. */
async function sourceFor(
  context: Context,
  hook: string,
  { image, code }: { readonly image: object | undefined; readonly code: HookPackage | undefined },
): Promise<string | undefined> {
  if (!image && !code) return undefined;
  const { cwd, environment } = context.sources;
  const [{ openRepository }, { imageSource, notedSource }] = await Promise.all([
    import('../../packing/repository.ts'),
    import('../../packing/source-ref.ts'),
  ]);
  const source = code
    ? code.source()
    : imageSource(await openRepository(cwd, environment), environment, context.signal);
  return notedSource(context, hook, await source);
}

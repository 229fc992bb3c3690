import { resolve } from 'node:path';
import type { Answer, Body } from '@osa/core/api';
import { asOsaError, OsaError } from '@osa/core/error';
import { Limits } from '@osa/core/hook/release';
import { bounds } from '@osa/core/limits';
import { type Context, defineCommand } from '../../command.ts';
import type { Client } from '../../http/client.ts';
import { commandArguments, integer, text } from '../../terminal/parse.ts';
import { parseImage } from '../code/image.ts';
import { nextConfig, parseSetting, type Setting } from '../code/release-config.ts';
import { findSource, uploadCode } from '../code/upload.ts';
import { mintedLines } from './lines.ts';
import { tellingWhatMoved } from './move-pointer.ts';

export const hooksRelease = defineCommand({
  description:
    'Mints a release of a hook without a deploy, and makes it live. What is not given is carried over from the live ' +
    'release. The very same release again is no new one: it is known, and nothing moves.\n\n' +
    'A directory is packed here and uploaded by digest. The source_ref of new code comes from git in its directory ' +
    '(of an image: in this one), else from CI.\n\n' +
    'If the pointer has moved since it was read, nothing happens, and it shows where the pointer stands.',
  arguments: { hook: { description: "the hook's name" } },
  options: {
    image: { value: 'IMAGE', description: 'run this image, REF@sha256:…', parse: parseImage },
    directory: { value: 'DIR', description: 'run this directory', parse: text(4_096) },
    command: {
      value: 'COMMAND',
      description: `what starts a directory's code: words, or a JSON list such as '["node","my hook.mjs"]'`,
      parse: commandArguments,
    },
    config: { value: 'FILE', description: 'a JSON file with the whole config', parse: text(4_096) },
    set: {
      value: 'KEY=VALUE',
      description:
        'change one key of the live config, or of --config; the value is JSON if it can be, else text',
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
    live: { negated: true, description: 'mint it, and leave the live release as it is' },
    reason: { value: 'TEXT', description: 'why, for the history', parse: text(bounds.reasonLength) },
  },
  examples: [
    ['osa hooks release find_pockets --image ghcr.io/acme/find_pockets@sha256:…', 'another image'],
    ['osa hooks release seismic_energy --directory hooks/seismic_energy', 'the code as it stands here'],
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
    const client = context.client();
    // The config may hold secrets; it is asked for only where one of its keys shall change.
    const scopes = set.length > 0 && config === undefined ? ['runs:read'] : [];
    const hook = await client.call('showHook', { params: { name }, scopes });
    const body: Body<'release'> = {
      ...(image && { runtime: 'image', image: image.name, digest: image.digest }),
      ...(directory !== undefined && {
        runtime: 'directory',
        digest: await upload(context, client, hook, directory),
      }),
      command,
      config: await nextConfig(context.sources.cwd, { hook, file: config, set }),
      limits: { memory: options.memory, cpu: options.cpu, timeout_seconds: options.timeout },
      source_ref: await sourceFor(context, name, options),
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
    context.output.result(answer, mintedLines(answer, hook.live));
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

async function upload(
  context: Context,
  client: Client,
  { name }: Answer<'showHook'>,
  directory: string,
): Promise<string> {
  const { packDirectory } = await import('@osa/core/hook/archive/pack');
  const packed = await packDirectory(resolve(context.sources.cwd, directory));
  await uploadCode(context, client, { hook: name, scope: `hooks:write:${name}`, packed });
  return packed.digest;
}

/** Undefined where the code stays the same, and with it where it comes from. */
async function sourceFor(
  context: Context,
  hook: string,
  { sourceRef, image, directory }: Given,
): Promise<string | undefined> {
  if (sourceRef !== undefined || (!image && directory === undefined)) return sourceRef;
  return findSource(context, { hook, directory: resolve(context.sources.cwd, directory ?? '.') });
}

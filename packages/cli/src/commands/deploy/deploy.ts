import { OsaError } from '@osa/core/error';
import { type Context, defineCommand } from '../../command.ts';
import { line, yellow } from '../../terminal/paint.ts';
import { scopeOption } from '../auth/scopes.ts';
import { parseImage } from '../code/image.ts';
import { uploadCode } from '../code/upload.ts';
import { unstartableText } from '../ingestions/verdict.ts';
import { type Declaration, type HookImage, readDeclaration } from './file.ts';
import { annotate, annotating, differenceProblem, placed, summarise } from './github.ts';
import { type Changes, deployLines, deployParts, planLines } from './lines.ts';

export const deploy = defineCommand({
  description:
    'Deploys a convention in one step: schema, hooks, releases and the convention itself, all of it or nothing. ' +
    'Doing it again changes nothing and says so.\n\n' +
    'All problems of the file are told at once, and nothing is sent. Directories of hooks are packed here and ' +
    "uploaded by digest. A release's source_ref comes from the file, else from git, else from CI.\n\n" +
    'A release that is known and not live stays so, that a repeated deploy may not undo a rollback; --activate makes ' +
    'it live.\n\n' +
    'With --plan nothing is uploaded or changed: it tells what a deploy would do, and exits with 0 when that is ' +
    'nothing, 3 when there are changes, 1 when it would be refused.\n\n' +
    'Under GitHub Actions, problems become annotations of the file, and the parts, or the refusal, a summary of the job.',
  arguments: { file: { description: 'the declaration', fallback: 'convention.yaml' } },
  options: {
    plan: { description: 'tell what a deploy would change, and change nothing' },
    dryRun: { description: 'the same as --plan' },
    release: {
      value: 'HOOK=IMAGE',
      description:
        'run this image, REF@sha256:…, for the hook instead of what the file says, which may then leave its release out; ' +
        'once for each hook',
      repeatable: true,
      parse: parseBuiltImage,
    },
    activate: {
      description: 'make known releases live as well; needs hooks:write for the hooks of the file',
    },
    scope: {
      ...scopeOption,
      description:
        'more scopes for the token, such as hooks:write:find_pockets to release a hook of another convention; more ' +
        'with commas, or the option again',
    },
  },
  examples: [
    ['osa deploy', 'what convention.yaml in this directory declares'],
    ['osa deploy --plan', 'what that would change'],
    ['osa deploy datasets/quakes.yaml --json', 'another file, for a program'],
    [
      'osa deploy --release find_pockets=ghcr.io/acme/find_pockets@sha256:…',
      'with an image that CI has built',
    ],
  ],
  json:
    '{"slug", "changed", "deploy_id", "schema_id", "hooks", "changes": {"convention", "convention_fields", "schema",\n' +
    '"schema_differences", "hooks": [{"name", "owner", "hook", "differences", "release", "version", "is_live",\n' +
    '"live_version", "activated"}], "removed_hooks", "ingester"}, …}\n' +
    'with --plan {"slug", "changed", "refused", "reasons": [text], "changes": {as above}}',
  async run(context, { arguments: { file }, options }) {
    const { release, activate, scope } = options;
    const declared = await annotating(context, { name: file }, () => readDeclaration(context, file, release));
    const { manifest } = declared;
    const hookScopes = activate ? manifest.hooks.map(({ name }) => `hooks:write:${name}`) : [];
    const call: Call = {
      query: { activate: activate ? 'true' : 'false' },
      resource: manifest.slug,
      scopes: [...hookScopes, ...scope.flat()],
      again: ['osa', 'deploy', ...(file === 'convention.yaml' ? [] : [file])],
    };
    const send = options.plan || options.dryRun ? plan : apply;
    return annotating(context, { name: manifest.slug, manifest }, () => send(context, declared, call));
  },
});

interface Call {
  readonly query: { readonly activate: 'true' | 'false' };
  readonly resource: string;
  readonly scopes: readonly string[];
  /** The command line, to be shown where it is to be repeated. */
  readonly again: readonly string[];
}

async function apply(
  context: Context,
  { manifest, body, packed }: Declaration,
  call: Call,
): Promise<undefined> {
  const { again, ...input } = call;
  const client = context.client();
  for (const [hook, directory] of packed) {
    await uploadCode(context, client, {
      hook,
      scope: `conventions:write:${manifest.slug}`,
      packed: directory,
    });
  }
  const answer = await client.call('deploy', { body, ...input });
  context.output.result(answer, deployLines(answer, again));
  if (answer.unstartable !== null) {
    context.output.note(
      line`${yellow('!')} ${unstartableText(answer.unstartable)}: records wait until one does`,
    );
  }
  const { slug, changed, changes } = answer;
  const parts = deployParts(changes, { slug, schema: schemaName(manifest) });
  const title = changed ? `${slug} deployed` : `${slug}: nothing changed`;
  await summarise(context, { title, parts, reasons: [] });
}

/** 0: nothing to do; 3: changes pending; 1: it would be refused. */
async function plan(context: Context, { manifest, body }: Declaration, call: Call): Promise<number> {
  const { again, ...input } = call;
  const answer = await context.client().call('planDeploy', { body, ...input, repeatable: true });
  const { slug, changed, refused, reasons, changes } = answer;
  const schema = schemaName(manifest);
  context.output.result(answer, planLines(answer, { schema, again }));
  annotate(
    context,
    refusals(changes).flatMap((refusal) => placed(manifest, refusal)),
  );
  const verdict = refused ? 'a deploy would be refused' : changed ? 'changes pending' : 'nothing to change';
  const parts = deployParts(changes, { slug, schema });
  await summarise(context, { title: `${slug}: ${verdict}`, parts, reasons });
  if (refused) return 1;
  return changed ? 3 : 0;
}

/** What a plan refuses, each difference at its field. */
function refusals({ schema_differences, hooks }: Changes): { field: string; message: string }[] {
  const list = [
    ...schema_differences.map((difference) => ({ ...difference, path: `schema.${difference.path}` })),
    ...hooks.flatMap(({ differences }, index) =>
      differences.map((difference) => ({
        ...difference,
        path: `hooks[${index}].feature.${difference.path}`,
      })),
    ),
  ];
  return list.map(differenceProblem);
}

function schemaName({ schema }: Declaration['manifest']): string {
  return `${schema.id}@${schema.version}`;
}

/** @throws OsaError `usage` */
function parseBuiltImage(text: string): HookImage {
  const [, hook, image] = /^([a-z][a-z0-9_]*)=(.*)$/.exec(text) ?? [];
  if (hook === undefined || image === undefined) {
    throw new OsaError('usage', 'It must be a hook and its image, such as find_pockets=REF@sha256:….');
  }
  return { hook, ...parseImage(image) };
}

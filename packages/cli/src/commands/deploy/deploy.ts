import type { Answer } from '@osa/core/api';
import { OsaError } from '@osa/core/error';
import { type Context, defineCommand } from '../../command.ts';
import type { Client } from '../../http/client.ts';
import { fileListDocument, fileListLines, listFilesOption } from '../../packing/file-list.ts';
import { parseImage } from '../../packing/image.ts';
import { uploadCode } from '../../packing/upload.ts';
import { type Line, line, pipe, render, yellow } from '../../terminal/paint.ts';
import { scopeOption } from '../auth/scopes.ts';
import { unstartableText } from '../ingestions/verdict.ts';
import {
  ActivationLost,
  concludeHolds,
  type DeployComparison,
  type Gate,
  gateOf,
  gateOptions,
  requireGate,
} from './compare-gate.ts';
import { type Declaration, type HookImage, readDeclaration } from './file.ts';
import {
  afterDeploy,
  annotate,
  annotating,
  append,
  differenceProblem,
  placed,
  setOutputs,
  summarise,
} from './github.ts';
import { leftRows } from './left-rows.ts';
import { type Changes, deployLines, deployParts, planLines } from './lines.ts';
import { explainPlan, type PlanFile, readPlan, writePlan } from './plan-file.ts';

export const deploy = defineCommand({
  description:
    'Deploys a convention in one step: schema, hooks, releases and the convention itself. All of it ' +
    'happens, or nothing. Deploying the same file again changes nothing, and osa says so.\n\n' +
    'If the file has problems, osa lists all of them and sends nothing. Directories of hooks are packed ' +
    'here and uploaded by digest. Files that git or .osaignore leaves out, caches and .env files stay ' +
    'here; --list-files shows both kinds. The source_ref of a release comes from the file, else from git. It ' +
    'ends in -dirty unless the bytes are those of the commit, and a note says why.\n\n' +
    'A known release that is not live stays that way, so running a deploy again cannot undo a rollback. ' +
    '--activate makes it live.\n\n' +
    'With --compare N, new releases of hooks that have a live one are not live at first. They run over N published records, and ' +
    'go live only if at most --max-changed of these change, and nobody has moved the live release meanwhile. Else they stay not ' +
    'live: exit code 3, with the command that makes them live all the same. The first release of a hook goes live at once.\n\n' +
    'With --plan nothing is uploaded or changed. It shows what a deploy would do. Exit code: 0 when that ' +
    'is nothing, 3 when there are changes (0 with --exit-zero), 1 when the deploy would be refused. --out writes the plan ' +
    'to a file; --expect-plan deploys only if that does exactly what the file says.\n\n' +
    'Under GitHub Actions, each problem is shown at its line of the file, and the job gets a summary. The ' +
    'step has the outputs slug, changed, deploy_id, and version_HOOK for each hook.',
  arguments: { file: { description: 'the file to deploy', fallback: 'convention.yaml' } },
  options: {
    plan: { description: 'show what a deploy would change, and change nothing' },
    dryRun: { description: 'the same as --plan' },
    out: {
      value: 'FILE',
      description: 'with --plan: write the plan to this file, for --expect-plan',
      parse: (text: string) => text,
    },
    expectPlan: {
      value: 'FILE',
      description: 'deploy only if that does what this reviewed plan says; else 409, and what differs',
      parse: (text: string) => text,
    },
    exitZero: { description: 'with --plan: exit with 0 also when there are changes' },
    listFiles: listFilesOption,
    release: {
      value: 'HOOK=IMAGE',
      description:
        'image of this hook, REF@sha256:…; it replaces the release in the file, if there is one; once for each hook',
      repeatable: true,
      parse: parseBuiltImage,
    },
    activate: {
      description: 'make known releases live too; needs hooks:write for the hooks of the file',
    },
    ...gateOptions,
    scope: {
      ...scopeOption,
      description:
        'more scopes for the token, such as hooks:write:find_pockets for a hook of another convention; separate several with commas',
    },
  },
  examples: [
    ['osa deploy', 'the convention.yaml of this directory'],
    ['osa deploy --plan', 'what that would change'],
    ['osa deploy --plan --exit-zero', 'the same for a pull request, which changes do not fail'],
    ['osa deploy --plan --out plan.json', 'a plan to review, as a file'],
    ['osa deploy --expect-plan plan.json', 'exactly what was reviewed, or nothing'],
    ['osa deploy --compare 500 --max-changed 1%', 'live only if few records change'],
    ['osa deploy --list-files', 'which files of the hooks are packed'],
    ['osa deploy datasets/quakes.yaml --json', 'another file, for a program'],
    ['osa deploy --release find_pockets=ghcr.io/acme/find_pockets@sha256:…', 'with an image from CI'],
  ],
  json:
    '{"slug", "changed", "deploy_id", "schema_id", "hooks", "changes": {"convention", "convention_fields", "schema",\n' +
    '"schema_differences", "hooks": [{"name", "owner", "hook", "differences", "release", "version", "is_live",\n' +
    '"live_version", "activated", "held"}], "removed_hooks", "ingester"}, …}\n' +
    'with --compare also "verdict": "live", "beyond", "moved" (then with "problem"), "failed" or "timeout", "holds": [{"hook_name", "version", "comparison_id",\n' +
    '"records", "changed_records", "is_within", "activated_seq"}], "comparisons": [as `osa comparisons show`]\n' +
    'with --plan {"slug", "changed", "refused", "reasons": [text], "changes": {as above}, "reviewed": {"archive",\n' +
    '"manifest_digest", "digest"}}\n' +
    'with --list-files {"hooks": [{"hook", "digest", "bytes", "files": [{"path", "bytes", "executable", "link"}],\n' +
    '"left_out": [{"path", "why"}], "warnings": [text]}]}',
  async run(context, { arguments: { file }, options }) {
    const { release, activate, scope, listFiles, expectPlan } = options;
    const isPlan = options.plan || options.dryRun;
    requirePairs(options, isPlan);
    requireGate(options);
    const declared = await annotating(context, { name: file }, () => readDeclaration(context, file, release));
    if (listFiles) {
      context.output.result(fileListDocument(declared.packed), fileListLines(declared.packed));
      return undefined;
    }
    const { manifest } = declared;
    const hookScopes = activate ? manifest.hooks.map(({ name }) => `hooks:write:${name}`) : [];
    const call: Call = {
      query: { activate: activate ? 'true' : 'false' },
      resource: manifest.slug,
      exitZero: options.exitZero,
      compare: gateOf(manifest, options),
      timeoutMs: options.timeout,
      out: options.out,
      expected: expectPlan === undefined ? undefined : await readPlan(context, expectPlan),
      scopes: [...hookScopes, ...scope.flat()],
      again: ['osa', 'deploy', ...(file === 'convention.yaml' ? [] : [file])],
    };
    const send = isPlan ? plan : apply;
    return annotating(context, { name: manifest.slug, manifest }, () => send(context, declared, call));
  },
});

interface Call {
  readonly query: { readonly activate: 'true' | 'false' };
  readonly resource: string;
  readonly scopes: readonly string[];
  /** Whether a plan with changes ends well. */
  readonly exitZero: boolean;
  /** The file for a plan. */
  readonly out: string | undefined;
  /** The plan that a deploy is held to. */
  readonly expected: PlanFile | undefined;
  /** How new releases are compared before they go live. */
  readonly compare: DeployComparison | undefined;
  readonly timeoutMs: number | undefined;
  /** The command line, to be shown where it is to be repeated. */
  readonly again: readonly string[];
}

async function apply(
  context: Context,
  { manifest, body, packed }: Declaration,
  call: Call,
): Promise<number | undefined> {
  const { resource, scopes, expected, compare } = call;
  const client = context.client();
  for (const [hook, directory] of packed) {
    await uploadCode(context, client, {
      hook,
      scope: `conventions:write:${manifest.slug}`,
      packed: directory,
    });
  }
  const query = { ...call.query, expected_plan: expected?.reviewed.digest };
  const sent = { ...body, ...(compare && { compare }) };
  const answer = await client
    .call('deploy', { body: sent, query, resource, scopes })
    .catch((error: unknown) => {
      throw expected ? explainPlan(error, context, expected) : error;
    });
  const { lines, gate } = await conclude(context, client, { answer, call }).catch(async (error: unknown) => {
    const isLost = error instanceof ActivationLost;
    await setOutputs(context, { ...answer, ...(compare && !isLost && { live: false }) });
    const releases = compare && (isLost ? 'unknown' : 'held');
    throw afterDeploy(isLost ? error.cause : error, { id: answer.deploy_id, releases });
  });
  context.output.result({ ...answer, ...gate?.document }, [...lines, ...(gate?.lines ?? [])]);
  if (answer.unstartable !== null) {
    context.output.note(
      line`${yellow('!')} ${unstartableText(answer.unstartable)}: records wait until one does`,
    );
  }
  const { slug, changed, changes } = answer;
  const parts = deployParts(changes, { slug, schema: schemaName(manifest) });
  const title = changed ? `${slug} deployed` : `${slug}: nothing changed`;
  await summarise(context, { title, parts, reasons: gate?.outcome.map((text) => render(text, pipe)) ?? [] });
  if (gate) await append(context, 'summary', gate.markdown);
  const live =
    gate?.code === undefined && changes.hooks.every(({ is_live, held }) => is_live || held === true);
  await setOutputs(context, { ...answer, ...(gate && { live }) });
  return gate?.code;
}

/** The last part of a deploy, once it is stored. @throws ActivationLost */
async function conclude(
  context: Context,
  client: Client,
  { answer, call }: { readonly answer: Answer<'deploy'>; readonly call: Call },
): Promise<{ readonly lines: readonly Line[]; readonly gate: Gate | undefined }> {
  const { again, compare, timeoutMs } = call;
  const left = await leftRows(client, answer.changes);
  const lines = [...deployLines(answer, again), ...left];
  const gate = compare && (await concludeHolds(context, client, { answer, lines, timeoutMs }));
  return { lines, gate };
}

/** @throws OsaError `usage` for options that do not go together */
function requirePairs(
  options: { readonly out?: unknown; readonly expectPlan?: unknown },
  isPlan: boolean,
): void {
  if (options.out !== undefined && !isPlan) throw new OsaError('usage', '--out is for --plan');
  if (options.expectPlan !== undefined && isPlan) {
    throw new OsaError('usage', '--expect-plan is for a deploy, not for --plan; --plan --out writes a plan');
  }
}

/** 0: nothing to do; 3: changes pending; 1: it would be refused. */
async function plan(context: Context, { manifest, body }: Declaration, call: Call): Promise<number> {
  const { again, query, resource, compare } = call;
  const client = context.client();
  const answer = await client.call('planDeploy', {
    ...{ body: { ...body, ...(compare && { compare }) }, query, resource, repeatable: true },
    // The config of the live release is compared by key where it may be seen.
    scopes: [...call.scopes, 'runs:read'],
  });
  if (call.out !== undefined) await writePlan(context, call.out, answer);
  const { slug, changed, refused, reasons, changes } = answer;
  const schema = schemaName(manifest);
  const left = refused ? [] : await leftRows(client, changes);
  context.output.result(answer, [...planLines(answer, { schema, hooks: manifest.hooks, again }), ...left]);
  annotate(
    context,
    refusals(changes).flatMap((refusal) => placed(manifest, refusal)),
  );
  const verdict = refused ? 'a deploy would be refused' : changed ? 'changes pending' : 'nothing to change';
  const parts = deployParts(changes, { slug, schema });
  await summarise(context, { title: `${slug}: ${verdict}`, parts, reasons });
  await setOutputs(context, answer);
  if (refused) return 1;
  return changed && !call.exitZero ? 3 : 0;
}

/** The reasons of a refused plan, each difference at its field. */
function refusals({ schema_differences, hooks }: Changes): { field: string; message: string }[] {
  const list = [
    ...schema_differences.map((difference) => ({ ...difference, path: `schema.${difference.path}` })),
    ...hooks.flatMap(({ hook, differences }, index) =>
      (hook === 'refused' ? differences : []).map((difference) => ({
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

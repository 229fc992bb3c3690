import { OsaError } from '../../error.ts';
import type { FeatureContract } from '../../hook/hook.ts';
import { splitImage } from '../../hook/image.ts';
import { type Config, Limits } from '../../hook/release.ts';
import type { FieldDefinition, SchemaDefinition } from '../../record/schema.ts';
import { suggest } from '../../suggest.ts';
import { pathOf, pathText, valueAt } from '../../value-path.ts';
import { DeployRequest, type Docs, type FileRequirements, type Ingester, slugOf } from '../convention.ts';
import { type Finding, findings, type Problem, placeOf, problemsError, withoutRenamed } from './problems.ts';
import { ruleFindings } from './rules.ts';
import { ManifestShape } from './shape.ts';
import { readYaml, type YamlTree } from './yaml.ts';

/** An image that was built for a hook: it runs instead of what the file says, or where the file says nothing. */
export interface BuiltImage {
  /** The name without its digest. */
  readonly name: string;
  readonly digest: string;
}

/**
 * Reads a `convention.yaml` (at most 1 MiB). `file` is its name as errors show it; `images` are by hook.
 * Throws `usage` with every problem of the text at once: in the message one line each, sorted by place, and in
 * `details.problems` as `Problem[]`.
 */
export function parseManifest(
  text: string,
  { file, images = new Map() }: { readonly file: string; readonly images?: ReadonlyMap<string, BuiltImage> },
): Manifest {
  const written = readYaml(text);
  const tree = withImages(written, images);
  const flaws = tree.flaws.map(({ place, path, message }) => ({
    file,
    ...place,
    path: pathText(path),
    message,
  }));
  if (tree.unreadable) throw problemsError(flaws);
  requireHooks(written, images, file);
  if (tree.value === null && flaws.length === 0) throw problemsError([emptyFile(file)]);

  const parsed = ManifestShape.safeParse(tree.value);
  const issues = parsed.success ? [] : parsed.error.issues.flatMap((issue) => findings(issue, tree));
  const found = withoutEchoes(
    withoutRenamed([...issues, ...ruleFindings(tree)]).filter((finding) => !isUnread(finding, tree)),
    new Set(flaws.map(({ path }) => path)),
  );
  const problems = [...flaws, ...found.map((finding) => problemOf(finding, tree, file))];
  if (problems.length > 0 || !parsed.success) throw problemsError(problems);
  return toManifest(parsed.data, tree, file);
}

/** A convention as its file declares it, every default filled in. */
export interface Manifest {
  readonly slug: string;
  readonly title: string;
  readonly description: string;
  readonly license: string | undefined;
  readonly schema: SchemaDefinition;
  readonly files: FileRequirements;
  readonly curation: DeployRequest['curation'];
  readonly approveOwn: boolean;
  readonly hooks: readonly ManifestHook[];
  readonly ingester: Ingester | undefined;
  readonly docs: Docs | undefined;
  /**
   * An error (`usage`) in the same form as the reader's own, for what is found out later, such as a directory that
   * is not there: `manifest.problem('hooks[0].release.directory', 'there is no such directory')`.
   */
  problem(path: string, message: string): OsaError;
}

export interface ManifestHook {
  readonly name: string;
  readonly feature: FeatureContract;
  readonly config: Config;
  readonly limits: Limits;
  readonly release: ManifestRelease;
}

/** The code of a hook's release. A directory is relative to the file, and its digest is known once it is packed. */
export type ManifestRelease =
  | {
      readonly kind: 'directory';
      readonly directory: string;
      readonly command: readonly string[];
      readonly sourceRef: string | undefined;
    }
  | {
      readonly kind: 'image';
      /** The name without its digest. */
      readonly image: string;
      readonly digest: string;
      readonly sourceRef: string | undefined;
    };

/** Facts about a hook's release that the file alone does not give. */
export interface ResolvedRelease {
  /** `sha256:` and 64 hexadecimal digits; for an image the one of its manifest. */
  readonly digest: string;
  readonly sourceRef: string;
}

/**
 * The body of the deploy. `releases` has an entry for every hook, by name; `sourceRef` says where the file comes from.
 * Throws `usage` when an entry is missing or breaks the wire's rules, such as a source ref of over 1,000 characters.
 */
export function deployRequest(
  manifest: Manifest,
  releases: ReadonlyMap<string, ResolvedRelease>,
  sourceRef?: string,
): DeployRequest {
  const hooks = manifest.hooks.map(({ name, feature, config, limits, release }, index) => {
    const resolved = releases.get(name);
    if (!resolved) throw manifest.problem(`hooks[${index}].release`, 'has no digest and source_ref');
    return { name, feature, config, limits, release: wireRelease(release, resolved) };
  });
  const { slug, title, description, license, schema, files, ingester, docs, curation } = manifest;
  const rules = { file_requirements: files, curation, approve_own: manifest.approveOwn };
  const declared = { slug, title, description, license, schema, ...rules, hooks, ingester, docs };
  const body = sourceRef === undefined ? declared : { ...declared, source_ref: sourceRef };
  const parsed = DeployRequest.safeParse(body);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const path = pathText(issue?.path ?? []).replace(/^file_requirements/, 'files');
  throw manifest.problem(path, issue?.message ?? 'is refused');
}

function wireRelease(release: ManifestRelease, { digest, sourceRef }: ResolvedRelease) {
  const code =
    release.kind === 'directory'
      ? { runtime: 'directory' as const, command: [...release.command] }
      : { runtime: 'image' as const, image: release.image };
  return { ...code, digest, source_ref: sourceRef };
}

/**
 * Refuses an image of a hook that the file does not have, before anything else is said: the hook that was meant would be
 * reported as incomplete.
 *
 * @throws OsaError `usage`
 */
function requireHooks({ value }: YamlTree, images: ReadonlyMap<string, BuiltImage>, file: string): void {
  const hooks = valueAt(value, ['hooks']);
  if (hooks !== undefined && !Array.isArray(hooks)) return;
  const names = (hooks ?? []).map((hook) => String(valueAt(hook, ['name'])));
  const unknown = [...images.keys()].find((name) => !names.includes(name));
  if (unknown === undefined) return;
  const near = suggest(unknown, names);
  const hint = near === undefined ? '' : ` (did you mean ${near}?)`;
  const known = `its hooks: ${names.join(', ') || 'none'}`;
  throw new OsaError('usage', `--release: ${file} has no hook ${unknown}${hint}; ${known}`, {
    field: 'release',
  });
}

/** The tree with what these hooks run put in place; positions stay those of the file. */
function withImages(tree: YamlTree, images: ReadonlyMap<string, BuiltImage>): YamlTree {
  const hooks = valueAt(tree.value, ['hooks']);
  if (!Array.isArray(hooks) || images.size === 0) return tree;
  const filled = hooks.map((hook) => {
    const image = images.get(String(valueAt(hook, ['name'])));
    if (!image) return hook;
    const sourceRef = valueAt(hook, ['release', 'source_ref']);
    const release = { image: image.name, digest: image.digest, source_ref: sourceRef };
    return { ...hook, release };
  });
  return { ...tree, value: { ...(tree.value as object), hooks: filled } };
}

function emptyFile(file: string): Problem {
  const message = 'the file is empty; a convention has a title, a description and a schema';
  return { file, line: 1, column: 1, path: '', message };
}

function problemOf({ path, at, message }: Finding, tree: YamlTree, file: string): Problem {
  return { file, ...placeOf(tree, path, at), path: pathText(path), message };
}

/** Whether a finding is about a key that is missing where not all keys could be read. */
function isUnread({ path }: Finding, tree: YamlTree): boolean {
  if (valueAt(tree.value, path) !== undefined) return false;
  const around = pathText(path.slice(0, -1));
  return tree.flaws.some((flaw) => flaw.isIncomplete && pathText(flaw.path) === around);
}

/** Drops what follows from another problem of the same value: one message per value, the first. */
function withoutEchoes(found: readonly Finding[], told: Set<string>): Finding[] {
  return found.filter(({ path }) => {
    const key = pathText(path);
    if (told.has(key)) return false;
    told.add(key);
    return true;
  });
}

function toManifest(shape: ManifestShape, tree: YamlTree, file: string): Manifest {
  const { title, description, schema, files, ingester, docs } = shape;
  return {
    slug: shape.slug ?? slugOf(title) ?? '',
    title,
    description,
    license: shape.license ?? undefined,
    schema: { ...schema, fields: schema.fields.map(toField) },
    files: {
      accepted_types: files?.accepted_types ?? [],
      min_count: files?.min_count ?? 0,
      max_count: files?.max_count ?? 0,
      max_file_size: files?.max_file_size ?? 0,
    },
    curation: shape.curation ?? 'auto',
    approveOwn: shape.approve_own ?? false,
    hooks: (shape.hooks ?? []).map(toHook),
    ingester: ingester ? toIngester(ingester) : undefined,
    docs: docs
      ? { ...docs, example_questions: docs.example_questions ?? [], examples: docs.examples ?? [] }
      : undefined,
    problem: (path, message) => problemsError([{ file, ...placeOf(tree, pathOf(path)), path, message }]),
  };
}

type FieldShape = ManifestShape['schema']['fields'][number];
type HookShape = NonNullable<ManifestShape['hooks']>[number];

function toField({ unit, constraints, required, cardinality, ...field }: FieldShape): FieldDefinition {
  const bounded =
    constraints || unit ? { ...constraints, ...(unit && { unit }), type: field.type } : undefined;
  return {
    ...field,
    required: required ?? false,
    cardinality: cardinality ?? 'exactly_one',
    ...(bounded && { constraints: bounded }),
  };
}

function toHook({ name, feature, config, limits, release }: HookShape): ManifestHook {
  return {
    name,
    feature: {
      kind: 'table',
      cardinality: feature.cardinality,
      columns: feature.columns.map((column) => ({ ...column, required: column.required ?? false })),
    },
    config: config ?? {},
    limits: toLimits(limits),
    release: toRelease(release),
  };
}

function toLimits(limits: HookShape['limits']): Limits {
  return Limits.parse(Object.fromEntries(Object.entries(limits ?? {}).filter(([, value]) => value !== null)));
}

function toRelease({ directory, command, image, digest, source_ref }: HookShape['release']): ManifestRelease {
  const sourceRef = source_ref ?? undefined;
  if (directory && command) return { kind: 'directory', directory, command, sourceRef };
  const { name, digest: own } = splitImage(image ?? '');
  return { kind: 'image', image: name, digest: digest ?? own ?? '', sourceRef };
}

function toIngester(shape: NonNullable<ManifestShape['ingester']>): Ingester {
  const { image, digest, source_ref } = shape.release;
  const { name, digest: own } = splitImage(image);
  return {
    ...shape,
    limits: shape.limits ? toLimits(shape.limits) : undefined,
    release: { image: name, digest: digest ?? own ?? '', source_ref },
  };
}

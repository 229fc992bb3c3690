import { z } from 'zod';
import { OsaError } from '../error.ts';
import { FeatureContract, HookName } from '../hook/hook.ts';
import { imageRule, isImage, splitImage } from '../hook/image.ts';
import { Command, Config, Digest, Limits, type ReleaseContent } from '../hook/release.ts';
import { bounds } from '../limits.ts';
import { SchemaDefinition } from '../record/schema.ts';
import { refuseTwins } from '../unique-names.ts';
import { License } from './license.ts';

/**
 * A convention is a dataset's declaration: schema, file rules, hooks by name, docs. `DeployRequest` is what a
 * deploy sends: the JSON that the archive's Python SDK sends, with our additions beside it.
 */

export const Slug = z
  .string()
  .regex(
    /^[a-z][a-z0-9-]{2,63}$/,
    'must start with a-z, hold only a-z, 0-9 and -, and have 3 to 64 characters',
  );

/** `max_file_size` is in bytes, and 0 for no bound of its own; no `accepted_types` take any. */
export const FileRequirements = z.object({
  accepted_types: z.array(z.string().max(100)).max(1_000),
  min_count: z.int().min(0).default(0),
  max_count: z.int().min(0),
  max_file_size: z.int().min(0).default(0),
});

/** Whether what is deposited is published once its hooks have passed it, or by a reviewer. */
export const Curation = z.enum(['auto', 'manual']);

const SourceRef = z.string().min(1).max(1_000);

const ImageName = z
  .string()
  .max(1_000)
  .superRefine((image, context) => {
    const reference = splitImage(image);
    const message =
      reference.digest === undefined ? imageRule : 'must be a name without a digest, which stands in digest';
    if (reference.digest !== undefined || !isImage(reference)) context.addIssue({ code: 'custom', message });
  });

/**
 * The code of a hook's release. With `image` alone it is an OCI image; `runtime: "directory"` names a packed
 * directory that was uploaded as a blob, with the command that starts it.
 */
export const ReleaseSource = z
  .strictObject({
    runtime: z.enum(['image', 'directory']).default('image'),
    image: ImageName.nullish(),
    digest: Digest,
    command: Command.nullish(),
    source_ref: SourceRef,
  })
  .superRefine((release, context) => {
    const expected = release.runtime === 'image' ? 'image' : 'command';
    const excluded = release.runtime === 'image' ? 'command' : 'image';
    if (!release[expected]) {
      context.addIssue({
        code: 'custom',
        path: [expected],
        message: `is needed for runtime "${release.runtime}"`,
      });
    }
    if (release[excluded]) {
      context.addIssue({
        code: 'custom',
        path: [excluded],
        message: `is not for runtime "${release.runtime}"`,
      });
    }
  });

export const HookDeclaration = z.strictObject({
  name: HookName,
  feature: FeatureContract,
  config: Config.default({}),
  limits: Limits.prefault({}),
  release: ReleaseSource,
});

export const Ingester = z.strictObject({
  name: z.string().max(100).nullish(),
  config: Config.nullish(),
  limits: Limits.nullish(),
  schedule: z.object({ cron: z.string().max(200), limit: z.int().min(1).nullish() }).nullish(),
  initial_run: z.object({ limit: z.int().min(1).nullish() }).nullish(),
  release: z.strictObject({
    image: ImageName,
    digest: Digest,
    source_ref: SourceRef.nullish(),
  }),
});

const Prose = z.string().max(10_000).regex(/\S/, 'must not be blank');

export const Docs = z.strictObject({
  purpose: Prose,
  example_questions: z.array(Prose).max(100).default([]),
  examples: z
    .array(z.strictObject({ question: Prose, query: Prose, interpretation: Prose }))
    .max(100)
    .default([]),
  when_not_to_use: z.string().max(10_000).nullish(),
  see_also: z.array(z.string().max(1_000)).max(100).nullish(),
});

export const DeployRequest = z
  .strictObject({
    slug: Slug.nullish(),
    title: z.string().min(1).max(255),
    description: z.string().min(1).max(10_000),
    license: License.nullish(),
    schema: SchemaDefinition,
    file_requirements: FileRequirements,
    curation: Curation.default('auto'),
    approve_own: z.boolean().default(false),
    hooks: z.array(HookDeclaration).max(bounds.hooks).default([]).superRefine(refuseTwins),
    ingester: Ingester.nullish(),
    docs: Docs.nullish(),
    /** Where the declaration itself comes from; no part of what it declares. */
    source_ref: SourceRef.nullish(),
  })
  .refine(({ curation, approve_own }) => curation === 'manual' || !approve_own, {
    path: ['approve_own'],
    message: 'is for curation "manual"; with "auto" nobody approves anything',
  });

export type FileRequirements = z.infer<typeof FileRequirements>;
export type HookDeclaration = z.infer<typeof HookDeclaration>;
export type Ingester = z.infer<typeof Ingester>;
export type Docs = z.infer<typeof Docs>;
export type DeployRequest = z.infer<typeof DeployRequest>;

/**
 * The slug of a title: lower case, each run of other characters one hyphen, trimmed, cut to 64, trimmed.
 * Undefined when what is left is not a slug (`Protein Structures (PDB) v2!` → `protein-structures-pdb-v2`).
 */
export function slugOf(title: string): string | undefined {
  const trim = (text: string) => text.replace(/^-+|-+$/g, '');
  const slug = trim(trim(title.toLowerCase().replace(/[^a-z0-9]+/g, '-')).slice(0, 64));
  return Slug.safeParse(slug).success ? slug : undefined;
}

/** The content that a release of the declaration would have. */
export function releaseContent({ config, limits, release }: HookDeclaration): ReleaseContent {
  return {
    runtime: release.runtime,
    image: release.image ?? null,
    digest: release.digest,
    command: release.command ?? null,
    config,
    limits,
    source_ref: release.source_ref,
  };
}

/** `field` is where the slug was given. */
export function unknownConvention(slug: string, field = 'slug'): OsaError {
  const next = 'deploy it first; `osa deploys list` shows what was deployed';
  return new OsaError('not_found', `no convention is named ${slug}; ${next}`, { field });
}

import { z } from 'zod';
import { Column, ColumnName, FeatureContract, HookName, jsonTypes, stringFormats } from '../../hook/hook.ts';
import { Command, Config, Digest, Limits } from '../../hook/release.ts';
import { bounds } from '../../limits.ts';
import {
  FieldDefinition,
  FieldName,
  fieldCardinalities,
  fieldTypes,
  Pattern,
  SchemaId,
  SchemaVersion,
  TextLength,
} from '../../record/schema.ts';
import { DeployRequest, Docs, FileRequirements, Ingester, Slug } from '../convention.ts';
import { License } from '../license.ts';

/**
 * The shape of `convention.yaml`: every rule that concerns one value. Rules between values are in
 * `manifest-rules.ts`. It knows no keys but these, and an optional key may be left empty.
 */

const count = z.int().min(0);
const longText = z.string().min(1).max(10_000);
const unit = z.string().max(100);
const sourceRef = z
  .string()
  .min(1)
  .max(1_000)
  .nullish()
  .describe(
    'Where the code comes from, such as git+https://host/repo@commit; found by git or CI if left out',
  );

/** The keys of `constraints` that each field type takes. */
export const constraintsOf = {
  text: ['min_length', 'max_length', 'pattern', 'unit'],
  number: ['min_value', 'max_value', 'integer_only', 'unit'],
  url: ['pattern'],
  date: [],
  boolean: [],
} as const satisfies Record<(typeof fieldTypes)[number], readonly string[]>;

const Constraints = z.strictObject({
  type: z.enum(fieldTypes).nullish().describe("The field's own type; may be left out"),
  min_length: TextLength.nullish(),
  max_length: TextLength.nullish(),
  pattern: Pattern.nullish().describe('A regular expression'),
  min_value: z.number().nullish(),
  max_value: z.number().nullish(),
  integer_only: z.boolean().nullish(),
  unit: unit.nullish(),
});

const Field = z.strictObject({
  name: FieldName,
  type: z.enum(fieldTypes),
  required: z.boolean().nullish().meta({ description: 'Whether every record has it', default: false }),
  cardinality: z.enum(fieldCardinalities).nullish().meta({ default: 'exactly_one' }),
  description: FieldDefinition.shape.description,
  unit: unit.nullish().describe('The unit of a number or text; short for constraints.unit'),
  constraints: Constraints.nullish(),
  examples: FieldDefinition.shape.examples,
});

const Schema = z.strictObject({
  id: SchemaId.describe('Names the schema on the server'),
  version: SchemaVersion.describe(
    'A semantic version in quotes; another set of fields needs another version',
  ),
  fields: z.array(Field).min(1).max(bounds.fields).describe("The typed fields of a record's metadata"),
});

const Files = z.strictObject({
  ...FileRequirements.shape,
  min_count: FileRequirements.shape.min_count.unwrap().nullish().meta({ default: 0 }),
  max_file_size: count.nullish().meta({ description: 'Bytes; 0 means no bound of its own', default: 0 }),
});

const HookColumn = z.strictObject({
  name: ColumnName,
  json_type: z.enum(jsonTypes),
  format: z.enum(stringFormats).nullish().describe('How to read a string'),
  required: z.boolean().nullish().meta({ description: 'Whether every row has it', default: false }),
  unit: Column.shape.unit,
  description: Column.shape.description,
});

const Feature = z.strictObject({
  cardinality: FeatureContract.shape.cardinality.describe('How many rows a record may have'),
  columns: z.array(HookColumn).max(bounds.columns),
});

/** Cores, as a number or as text; `override` below tells JSON Schema of the number. */
const Cpu = z
  .preprocess((cpu) => (typeof cpu === 'number' ? String(cpu) : cpu), Limits.shape.cpu.unwrap())
  .nullish()
  .describe('Cores, such as 0.5');

const HookLimits = z.strictObject({
  memory: Limits.shape.memory.unwrap().nullish().describe('With a binary unit: 256m, 1g'),
  cpu: Cpu,
  timeout_seconds: Limits.shape.timeout_seconds.unwrap().nullish(),
});

const imageRelease = {
  image: z.string().min(1).max(1_000).describe('An OCI image, such as ghcr.io/org/name@sha256:…'),
  digest: Digest.nullish().describe('The digest of the image, if `image` does not name it'),
  source_ref: sourceRef,
};

const Release = z
  .strictObject({
    directory: z.string().min(1).max(1_000).nullish().describe("The hook's code, relative to this file"),
    command: Command.nullish().describe('The arguments that start the code of a directory'),
    ...imageRelease,
    image: imageRelease.image.nullish(),
  })
  .meta({
    oneOf: [
      objectWith({ directory: { type: 'string' }, command: { type: 'array' } }),
      objectWith({ image: { type: 'string' } }),
    ],
  });

/** A JSON Schema of objects that have `properties`, whatever else they have. */
function objectWith(properties: Readonly<Record<string, { readonly type: string }>>) {
  return { type: 'object', properties, required: Object.keys(properties) };
}

const Hook = z.strictObject({
  name: HookName,
  feature: Feature.describe('The contract of its rows; it never changes'),
  config: Config.nullish().describe("The hook's own settings; another value is another release"),
  limits: HookLimits.nullish(),
  release: Release.describe('What runs'),
});

const IngesterShape = z.strictObject({
  name: Ingester.shape.name,
  config: Config.nullish(),
  limits: HookLimits.nullish(),
  schedule: z.strictObject({ cron: z.string().max(200), limit: z.int().min(1).nullish() }).nullish(),
  initial_run: z.strictObject({ limit: z.int().min(1).nullish() }).nullish(),
  release: z.strictObject(imageRelease),
});

const DocsShape = z.strictObject({
  ...Docs.shape,
  example_questions: Docs.shape.example_questions.unwrap().nullish(),
  examples: Docs.shape.examples.unwrap().nullish(),
});

export const ManifestShape = z.strictObject({
  slug: Slug.nullish().describe('Names the convention on the server; derived from the title if left out'),
  title: DeployRequest.shape.title,
  description: longText,
  license: License.nullish().describe(
    'The licence of the data: an SPDX identifier such as CC-BY-4.0, or an address',
  ),
  schema: Schema,
  files: Files.nullish().describe('The files of a record; none if left out'),
  hooks: z.array(Hook).max(bounds.hooks).nullish().describe('Functions that run over every record'),
  ingester: IngesterShape.nullish().describe('Stored with the convention'),
  docs: DocsShape.nullish().describe('For the people and programs that read the data'),
});

export type ManifestShape = z.infer<typeof ManifestShape>;

/**
 * The JSON Schema (draft 2020-12) of `convention.yaml`, for editors. A hook may stand without its release, since
 * `osa deploy --release` can name it: an editor knows the file only.
 */
export function manifestJsonSchema(): Record<string, unknown> {
  const { $schema, ...schema } = z.toJSONSchema(ManifestShape, {
    io: 'input',
    target: 'draft-2020-12',
    override: ({ zodSchema, jsonSchema }) => {
      if (zodSchema === Cpu) jsonSchema.anyOf?.unshift({ type: 'number', minimum: 0.01, maximum: 1024 });
      if (zodSchema === Hook)
        jsonSchema.required = (jsonSchema.required ?? []).filter((key) => key !== 'release');
    },
  });
  return {
    $schema,
    $id: 'urn:osa:convention.schema.json',
    title: 'convention.yaml',
    description: 'A dataset as osa deploys it: schema, file rules, hooks and docs.',
    ...schema,
  };
}

/** The keys that a mapping at `path` may have; empty where any key may stand. */
export function keysAt(path: readonly PropertyKey[]): string[] {
  const schema = path.reduce<z.core.$ZodType | undefined>(step, ManifestShape);
  const inner = schema && unwrap(schema);
  return inner instanceof z.ZodObject ? Object.keys(inner.shape) : [];
}

function step(schema: z.core.$ZodType | undefined, key: PropertyKey): z.core.$ZodType | undefined {
  const inner = schema && unwrap(schema);
  if (inner instanceof z.ZodArray) return inner.element;
  return inner instanceof z.ZodObject ? inner.shape[String(key)] : undefined;
}

function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable) return unwrap(schema.unwrap());
  return schema;
}

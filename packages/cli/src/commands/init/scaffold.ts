/** The files of a dataset that deploys and runs as it is, by path. */
export function scaffold(slug: string, jsonSchema: unknown): (readonly [path: string, content: string])[] {
  return [
    ['convention.yaml', convention(slug)],
    ['convention.schema.json', `${JSON.stringify(jsonSchema, null, 2)}\n`],
    ['hooks/density/hook.mjs', hook],
    ['records.ndjson', `${records.map((record) => JSON.stringify(record)).join('\n')}\n`],
    ['.gitignore', '.osa/\n'],
  ];
}

/** A name as a text of YAML, which reads some words as other values. */
export function yamlName(name: string): string {
  return /^(?:null|true|false)$/.test(name) ? JSON.stringify(name) : name;
}

const convention = (slug: string) => `# yaml-language-server: $schema=./convention.schema.json
slug: ${yamlName(slug)}
title: Mineral samples
description: Mineral samples with the mass and the volume that were measured.

# The fields of a record. They never change under the same version.
schema:
  id: mineral-sample
  version: 1.0.0
  fields:
    - { name: mineral, type: text, required: true, description: What the sample is }
    - { name: mass, type: number, required: true, unit: g, constraints: { min_value: 0 } }
    - { name: volume, type: number, required: true, unit: cm3, constraints: { min_value: 0 } }

# Each hook runs over every record. Its columns never change; its code may, with every release.
hooks:
  - name: density
    feature:
      cardinality: one
      columns:
        - { name: density, json_type: number, required: true, unit: g/cm3, description: Mass by volume }
    config: { digits: 3 }
    limits: { memory: 256m, cpu: "0.5", timeout_seconds: 60 }
    release: { directory: ./hooks/density, command: [node, hook.mjs] }

docs:
  purpose: Compare mineral samples by their density, and know which code computed it.
  example_questions:
    - Which sample is the densest?
`;

const hook = `// Reads a line per record, writes a line per record: a row, or a reason why there is none.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const { OSA_IN, OSA_OUT } = process.env;
const { digits } = JSON.parse(await readFile(join(OSA_IN, 'config.json'), 'utf8'));
const records = (await readFile(join(OSA_IN, 'records.jsonl'), 'utf8')).split('\\n').filter(Boolean).map((line) => JSON.parse(line));

const features = [];
const rejections = [];
for (const { id, metadata } of records) {
  const { mass, volume } = metadata;
  if (volume === 0) rejections.push({ id, reason: 'volume is 0, so there is no density' });
  else features.push({ id, features: [{ density: Number((mass / volume).toFixed(digits)) }] });
}
await writeFile(join(OSA_OUT, 'features.jsonl'), toLines(features));
await writeFile(join(OSA_OUT, 'rejections.jsonl'), toLines(rejections));

function toLines(values) {
  return values.map((value) => \`\${JSON.stringify(value)}\\n\`).join('');
}
`;

/** The last has no volume, so that there is something rejected to look at. */
const records = [
  { source_id: 'sample-1', metadata: { mineral: 'quartz', mass: 26.5, volume: 10 } },
  { source_id: 'sample-2', metadata: { mineral: 'pyrite', mass: 60.2, volume: 12 } },
  { source_id: 'sample-3', metadata: { mineral: 'galena', mass: 37.9, volume: 5 } },
  { source_id: 'sample-4', metadata: { mineral: 'calcite', mass: 21.7, volume: 8 } },
  { source_id: 'sample-5', metadata: { mineral: 'hematite', mass: 42.1, volume: 0 } },
];

/** A hook for records of any schema. */
export const completeness = `// Reads a line per record, writes a line per record: how many of its fields have a value.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const { OSA_IN, OSA_OUT } = process.env;
const { fields } = JSON.parse(await readFile(join(OSA_IN, 'config.json'), 'utf8'));
const records = (await readFile(join(OSA_IN, 'records.jsonl'), 'utf8')).split('\\n').filter(Boolean).map((line) => JSON.parse(line));

const answers = records.map(({ id, metadata }) => {
  const filled = Object.values(metadata).filter((value) => value !== null).length;
  return { id, features: [{ filled, missing: fields - filled }] };
});
await writeFile(join(OSA_OUT, 'features.jsonl'), answers.map((answer) => \`\${JSON.stringify(answer)}\\n\`).join(''));
`;

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A small project on disk: one convention with one hook over records of one number. */
export interface Project {
  /** The text of hook.mjs. */
  readonly code: string;
  readonly hook?: string;
  readonly slug?: string;
}

export async function writeProject(
  directory: string,
  { code, hook = 'doubled', slug = 'numbers' }: Project,
): Promise<void> {
  await mkdir(join(directory, 'hooks', hook), { recursive: true });
  await writeFile(join(directory, 'hooks', hook, 'hook.mjs'), code);
  await writeFile(
    join(directory, 'convention.yaml'),
    `slug: ${slug}
title: Numbers
description: Numbers, to be doubled.
schema:
  id: number-record
  version: 1.0.0
  fields:
    - { name: value, type: number, required: true }
files: { accepted_types: [], max_count: 0 }
hooks:
  - name: ${hook}
    feature:
      cardinality: one
      columns: [{ name: value, json_type: number, required: true }]
    release: { directory: ./hooks/${hook}, command: [node, hook.mjs], source_ref: git:test }
`,
  );
}

export async function writeRecords(path: string, values: Iterable<readonly [string, number]>): Promise<void> {
  const lines = [...values].map(([source_id, value]) => JSON.stringify({ source_id, metadata: { value } }));
  await writeFile(path, `${lines.join('\n')}\n`);
}

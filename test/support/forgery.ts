import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { osaJson } from './programs.ts';
import { writeProject } from './project.ts';
import type { ProjectDaemon } from './project-daemon.ts';

/** One hook a convention, over records of a number and a text that say what it shall do, up to the traces of its rows. */
export function forgery(stageOf: () => ProjectDaemon) {
  return { deployed, ingested, rowsBySource };

  /** Deploys a convention with one hook of one column `value`, over records of a number and a text. */
  async function deployed(name: string, code: string, columns: readonly object[] = []): Promise<string> {
    const place = await stageOf().project();
    await writeProject(place, { code });
    const declared = [{ name: 'value', json_type: 'number', required: true }, ...columns];
    const convention = {
      slug: slugOf(name),
      title: name,
      description: 'Hooks that lie',
      schema: {
        id: `${slugOf(name)}-record`,
        version: '1.0.0',
        fields: [
          { name: 'value', type: 'number', required: true },
          { name: 'lines', type: 'text', required: false },
        ],
      },
      files: { accepted_types: [], max_count: 0 },
      hooks: [
        {
          name,
          feature: { cardinality: 'one', columns: declared },
          release: { directory: './hooks/doubled', command: ['node', 'hook.mjs'], source_ref: 'git:test' },
        },
      ],
    };
    // JSON is YAML.
    await writeFile(join(place, 'convention.yaml'), JSON.stringify(convention));
    await osaJson(place, ['deploy']);
    return place;
  }

  async function ingested(place: string, name: string, records: readonly Incoming[], batchSize = 1_000) {
    const lines = records.map(({ id, value = 1, lines: said }) =>
      JSON.stringify({ source_id: id, metadata: { value, ...(said !== undefined && { lines: said }) } }),
    );
    await writeFile(join(place, 'records.ndjson'), `${lines.join('\n')}\n`);
    const args = ['ingest', slugOf(name), 'records.ndjson', '--batch-size', String(batchSize)];
    const answer = await osaJson(place, args);
    const { items } = await osaJson(place, ['ingestions', 'show', answer.id, '--failed', '--limit', '1000']);
    const failed = new Map<string, Line>(items.map((item: Line) => [item.source_id, item]));
    return { answer, failed };
  }

  /** Every row with the source that it is traced to. */
  async function rowsBySource(place: string, hook: string) {
    const { rows } = await osaJson(place, ['rows', hook, '--limit', '1000']);
    const found = new Map<string, { row: { value: number; run_id: string; id: number }; trace: Traced }>();
    for (const row of rows) {
      const { json } = await stageOf().http.get(`/api/v1/trace/rows/${hook}/${row.id}`);
      const trace = json as Traced;
      expect(found.has(trace.record.source_id)).toBe(false);
      found.set(trace.record.source_id, { row, trace });
    }
    return found;
  }
}

export interface Incoming {
  readonly id: string;
  readonly value?: number;
  /** The hook's lines for this record, unchanged. */
  readonly lines?: string;
}

interface Line {
  readonly source_id: string;
  readonly line: number;
  readonly status: string;
  readonly reason: string;
}

interface Traced {
  readonly row: { readonly values: Readonly<Record<string, unknown>> };
  readonly record: {
    readonly source_id: string;
    readonly srn: string;
    readonly metadata: Record<string, unknown>;
  };
  readonly run: { readonly id: string; readonly attempts: readonly { readonly resolved_digest: string }[] };
  readonly release: { readonly version: number; readonly digest: string };
}

function slugOf(name: string): string {
  return name.replaceAll('_', '-');
}

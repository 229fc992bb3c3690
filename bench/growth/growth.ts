import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Options, Result } from '../report.ts';
import {
  conventions,
  hooksOfAConvention,
  recordsOfABatch,
  releasesOfAHook,
  rowsOfARecord,
  versionsOfASource,
} from './measure.ts';
import { curve, exponent, type Point } from './svg.ts';

interface Growth {
  /** Also the name of the file. */
  readonly name: string;
  readonly what: string;
  readonly sizes: readonly number[];
  readonly measure: (sizes: readonly number[], signal: AbortSignal) => Promise<Point[]>;
}

const growths: readonly Growth[] = [
  {
    name: 'records a batch',
    what: 'commit of a batch, a row a record',
    sizes: [1, 10, 100, 1_000, 10_000],
    measure: recordsOfABatch,
  },
  {
    name: 'rows a record',
    what: 'commit of a batch of ten records',
    sizes: [1, 10, 100, 1_000],
    measure: rowsOfARecord,
  },
  {
    name: 'hooks a convention',
    what: 'deploy that changes nothing',
    sizes: [1, 5, 20, 50],
    measure: hooksOfAConvention,
  },
  {
    name: 'releases a hook',
    what: 'one more release, made live',
    sizes: [1, 10, 100, 1_000, 10_000],
    measure: releasesOfAHook,
  },
  {
    name: 'conventions',
    what: 'upload and claim of a record of one of them',
    sizes: [1, 10, 100, 1_000],
    measure: conventions,
  },
  {
    name: 'versions a source',
    what: 'one more version, from upload to commit',
    sizes: [1, 10, 100, 1_000],
    measure: versionsOfASource,
  },
];

/** How costs grow: a curve each, with the exponent that fits it. A whole run draws the curves anew. */
export async function benchGrowth({ quick, log, signal }: Options): Promise<Result[]> {
  const results: Result[] = [];
  for (const { name, what, sizes, measure } of growths) {
    signal.throwIfAborted();
    const points = await measure(quick ? sizes.slice(0, 2) : sizes, signal);
    const last = points.at(-1);
    log(`${name}: ${points.map(({ size, time }) => `${size} ${time.toPrecision(3)} ms`).join(', ')}`);
    if (!quick) {
      const file = new URL(`./${name.replaceAll(' ', '-')}.svg`, import.meta.url);
      await writeFile(fileURLToPath(file), curve(what, name, points));
    }
    results.push({
      name: `growth: ${name}`,
      what: `${what}, at 1 to ${last?.size.toLocaleString('en-US')} ${name}`,
      limit: 'linear',
      unit: 'exponent',
      ours: [exponent(points)],
      theirs: [1],
      target: { atMost: 1 },
      notes: [points.map(({ size, time }) => `${size}: ${time.toPrecision(3)} ms`).join(', ')],
    });
  }
  return results;
}

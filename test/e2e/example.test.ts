import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Manifest, parseManifest } from '@osa/core/convention/manifest/read';
import { packDirectory } from '@osa/core/hook/archive/pack';
import { bounds } from '@osa/core/limits';
import { metadataChecker } from '@osa/core/record/check';
import { type OutputThreads, outputThreads } from '@osa/core/run/output/threads';
import { tryHook } from '@osa/core/run/trial';
import { runners } from '@osa/core/runners/index';
import { filesystemBlobs } from '@osa/core/storage/filesystem';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { prepare } from '../../examples/usgs-earthquakes/prepare.ts';
import { scratch } from '../support/database/database.ts';

const example = join(import.meta.dirname, '../../examples/usgs-earthquakes');
const gutenbergRichter = { relation: 'gutenberg-richter' };
const crust = { deepest_km: 40 };

type Row = Readonly<Record<string, unknown>>;
interface RecordLine {
  readonly source_id: string;
  readonly metadata: Row;
}

let place: Awaited<ReturnType<typeof scratch>>;
let threads: OutputThreads;
let convention: Manifest;
let records: RecordLine[];

beforeAll(async () => {
  place = await scratch();
  threads = outputThreads({ idle: 1 });
  const file = join(example, 'convention.yaml');
  convention = parseManifest(await readFile(file, 'utf8'), { file });
  records = readRecords(prepare().records);
});
afterAll(async () => {
  await threads[Symbol.asyncDispose]();
  await place.dispose();
});

describe('the prepared files', () => {
  test('hold every event once, and each one keeps the schema', () => {
    expect(records).toHaveLength(1707);
    expect(new Set(records.map((record) => record.source_id)).size).toBe(1707);
    const problemsOf = metadataChecker(convention.schema.fields);
    expect(records.flatMap(({ metadata }) => problemsOf(metadata))).toEqual([]);
  });

  test('fill every field, and leave out only what is optional', () => {
    for (const field of convention.schema.fields) {
      const filled = records.filter(({ metadata }) => field.name in metadata).length;
      expect(filled, field.name).toBeGreaterThan(0);
      expect(filled === 1707, field.name).toBe(field.required);
    }
  });

  test('correct 30 magnitudes by 0.1 and repeat 42 records byte for byte', () => {
    const originals = new Set(prepare().records.split('\n'));
    const before = new Map(records.map(({ source_id, metadata }) => [source_id, metadata]));
    const text = prepare().corrected.trimEnd().split('\n');
    const changed = text.filter((line) => !originals.has(line));
    expect([text.length, changed.length]).toEqual([72, 30]);
    for (const { source_id, metadata } of readRecords(changed.join('\n'))) {
      const { magnitude: was, ...rest } = before.get(source_id) ?? {};
      expect(metadata).toEqual({ ...rest, magnitude: expect.closeTo(Number(was) + 0.1, 10) });
    }
  });
});

describe('the hooks over all events', () => {
  let first: Output;
  let second: Output;
  let felt: Output;
  beforeAll(async () => {
    first = await runHook('seismic_energy', records, gutenbergRichter);
    second = await runHook('seismic_energy_v2', records, gutenbergRichter);
    felt = await runHook('felt_radius', records, crust);
  });

  test('1,679 earthquakes pass with rows that keep the contract and 28 blasts are rejected, by both releases', () => {
    for (const { rows, rejections, errors } of [first, second]) {
      expect([rows.size, rejections.size, errors.size]).toEqual([1679, 28, 0]);
      for (const reason of rejections.values()) expect(reason).toMatch(/"(explosion|quarry blast)"/);
    }
    expect([felt.rows.size, felt.rejections.size, felt.errors.size]).toEqual([1707, 0, 0]);
    const counts = [...felt.rows.values()].map((rows) => rows.length).filter((count) => count > 0);
    expect([counts.length, counts.reduce((sum, count) => sum + count, 0)]).toEqual([29, 137]);
  });

  test('the releases differ for local, duration and body-wave magnitudes only', () => {
    const types = new Map(records.map(({ source_id, metadata }) => [source_id, metadata.magnitude_type]));
    const kinds = (same: boolean) =>
      new Set(
        [...first.rows]
          .filter(([id, rows]) => isSame(rows, second.rows.get(id)) === same)
          .map(([id]) => types.get(id)),
      );
    expect(kinds(false)).toEqual(new Set(['ml', 'md', 'mb']));
    expect(kinds(true)).toEqual(new Set(['mw', 'mwr', 'mww', 'mb_lg']));
  });

  test('the largest earthquake is felt farther at each weaker level', () => {
    const rows = felt.rows.get('us1000chhc') ?? [];
    expect(rows.map((row) => row.intensity)).toEqual([4, 5, 6, 7]);
    const distances = rows.map((row) => Number(row.epicentral_distance_km));
    expect(distances).toEqual(distances.toSorted((left, right) => right - left));
  });
});

describe('the formulas', () => {
  // Seismic moments in N·m and Mw to one decimal of Kanamori (1977), J. Geophys. Res. 82, table 1.
  const great = [
    { id: 'chile-1960', moment: 2.0e23, mw: 9.5 },
    { id: 'alaska-1964', moment: 8.2e22, mw: 9.2 },
    { id: 'aleutians-1957', moment: 5.85e22, mw: 9.1 },
    { id: 'kamchatka-1952', moment: 3.5e22, mw: 9.0 },
  ];

  test('moments agree with the great earthquakes of Kanamori (1977), to the rounding of their magnitudes', async () => {
    const events = great.map(({ id, mw }) => event(id, { magnitude: mw, magnitude_type: 'mw' }));
    const { rows } = await runHook('seismic_energy', events, gutenbergRichter);
    for (const { id, moment } of great) {
      const computed = Math.log10(numberAt(rows, id, 'moment_n_m'));
      expect(Math.abs(computed - Math.log10(moment)), id).toBeLessThanOrEqual(1.5 * 0.05);
    }
  });

  test('Mw 7.0 is 3.55e19 N·m with the constant 9.05 of Hanks & Kanamori (9.1 would give 3.98e19)', async () => {
    const { rows } = await runHook('seismic_energy', [event('a', { magnitude: 7 })], gutenbergRichter);
    expect(numberAt(rows, 'a', 'moment_n_m') / 3.548e19).toBeCloseTo(1, 3);
  });

  test('energies agree with the relation of 1956 in its original form, which rounds its slope', async () => {
    const magnitudes = [0, 2, 4, 6, 8];
    const events = magnitudes.map((magnitude) => event(`m${magnitude}`, { magnitude }));
    const { rows } = await runHook('seismic_energy', events, gutenbergRichter);
    for (const magnitude of magnitudes) {
      const unified = 0.63 * magnitude + 2.5;
      const joules = 10 ** (5.8 + 2.4 * unified - 7);
      const computed = numberAt(rows, `m${magnitude}`, 'energy_j');
      expect(Math.abs(Math.log10(computed / joules))).toBeLessThan(0.1);
    }
    expect(numberAt(rows, 'm6', 'energy_j') / 6.3e13).toBeCloseTo(1, 2);
  });

  test('the config chooses the energy: Kanamori (1977) gives 1e19 J for Chile 1960', async () => {
    const events = [event('chile', { magnitude: 9.5 })];
    const { rows } = await runHook('seismic_energy', events, { relation: 'kanamori' });
    expect(numberAt(rows, 'chile', 'energy_j') / 1e19).toBeCloseTo(1, 2);
  });

  test.each([
    ['ml', 1, 1.579, 'goertz-allmann-2011'],
    ['ml', 2, 2.173, 'goertz-allmann-2011'],
    ['md', 3, 2.851, 'goertz-allmann-2011'],
    ['ml', 4, 3.7, 'goertz-allmann-2011'],
    ['ml', 4.8, 4.5, 'goertz-allmann-2011'],
    ['mb', 5, 5.28, 'scordilis-2006'],
    ['mb', 3.4, 3.4, 'reported'],
    ['mb_lg', 3, 3, 'reported'],
    ['mww', 6.4, 6.4, 'reported'],
    ['constructor', 3, 3, 'reported'],
  ])('release 2 makes Mw of %s %d: %d', async (magnitude_type, magnitude, mw, source) => {
    const events = [event('a', { magnitude, magnitude_type })];
    const { rows } = await runHook('seismic_energy_v2', events, gutenbergRichter);
    expect(rows.get('a')?.[0]).toMatchObject({ moment_magnitude: mw, magnitude_source: source });
  });

  test('the local relation has no step where its pieces meet', async () => {
    const around = [1.999, 2, 3.999, 4];
    const events = around.map((magnitude) => event(`ml${magnitude}`, { magnitude, magnitude_type: 'ml' }));
    const { rows } = await runHook('seismic_energy_v2', events, gutenbergRichter);
    const [a = 0, b = 0, c = 0, d = 0] = around.map((ml) => numberAt(rows, `ml${ml}`, 'moment_magnitude'));
    expect(Math.abs(b - a)).toBeLessThan(0.002);
    expect(Math.abs(d - c)).toBeLessThan(0.003);
  });

  // Allen, Wald & Worden (2012) by an implementation of its own: magnitude, hypocentral distance in km, intensity.
  // The values come with the tests of GEM's OpenQuake engine, which holds them good to 0.1 %.
  const published = [
    [5, 10, 5.9736099],
    [5, 50, 3.7394023],
    [5, 100, 2.8223814],
    [6, 20, 6.4046804],
    [6, 300, 2.795832],
    [7, 10, 8.0343509],
    [7, 100, 5.6632662],
    [7, 300, 4.2223319],
  ] as const;

  test('each felt distance is where the published intensity equation gives its level', async () => {
    for (const [magnitude, distance, intensity] of published) {
      expect(medianIntensity(magnitude, distance) / intensity).toBeCloseTo(1, 3);
    }
    const events = [5, 6, 7].map((magnitude) => event(`m${magnitude}`, { magnitude, depth_km: 8 }));
    const { rows } = await runHook('felt_radius', events, crust);
    const levels = (id: string) => rows.get(id)?.map((row) => row.intensity);
    expect([levels('m5'), levels('m6'), levels('m7')]).toEqual([
      [2, 3, 4, 5, 6],
      [3, 4, 5, 6, 7],
      [5, 6, 7, 8],
    ]);
    for (const magnitude of [5, 6, 7]) {
      for (const row of rows.get(`m${magnitude}`) ?? []) {
        const distance = Number(row.hypocentral_distance_km);
        expect(medianIntensity(magnitude, distance)).toBeCloseTo(Number(row.intensity), 3);
        expect(Math.hypot(Number(row.epicentral_distance_km), 8)).toBeCloseTo(distance, 2);
      }
    }
  });

  test('there are no felt distances outside of what the equation was fitted to', async () => {
    const events = [
      event('small', { magnitude: 4.9, depth_km: 5 }),
      event('large', { magnitude: 8, depth_km: 5 }),
      event('deep', { magnitude: 7, depth_km: 41 }),
    ];
    const { rows } = await runHook('felt_radius', events, crust);
    expect([...rows]).toEqual([
      ['small', []],
      ['large', []],
      ['deep', []],
    ]);
  });
});

describe('bad input', () => {
  test('a record without a magnitude is an error of its own and costs no other', async () => {
    const events = [event('bad', { magnitude: null }), event('good', {})];
    for (const [hook, config] of [
      ['seismic_energy', gutenbergRichter],
      ['seismic_energy_v2', gutenbergRichter],
      ['felt_radius', crust],
    ] as const) {
      const { rows, errors } = await runHook(hook, events, config);
      expect([...rows.keys()]).toEqual(['good']);
      expect(errors.get('bad')).toMatch(/magnitude is null/);
    }
  });

  test('a line separator inside a string does not cut the line', async () => {
    const events = [event('a', { place: 'north\u2028south' }), event('b', {})];
    const { rows } = await runHook('seismic_energy', events, gutenbergRichter);
    expect([...rows.keys()]).toEqual(['a', 'b']);
  });

  test.each([
    ['seismic_energy', { relation: 'toString' }, /relation is "toString".*gutenberg-richter, kanamori/],
    ['felt_radius', { deepest_km: -1 }, /deepest_km is -1/],
  ])('%s refuses a config that it does not know', async (hook, config, message) => {
    await expect(runHook(hook, [], config)).rejects.toThrow(message);
  });
});

test('the second convention differs from the first in one line, the directory of the release', async () => {
  const [first, second] = await Promise.all(
    ['convention.yaml', 'convention.v2.yaml'].map(async (name) =>
      (await readFile(join(example, name), 'utf8')).split('\n'),
    ),
  );
  expect(second).toHaveLength(first?.length ?? 0);
  expect(second?.filter((line, index) => line !== first?.[index])).toEqual([
    '    release: { directory: ./hooks/seismic_energy_v2, command: [node, hook.mjs] }',
  ]);
});

/** A hook's answers, by record id. */
interface Output {
  readonly rows: ReadonlyMap<string, readonly Row[]>;
  readonly rejections: ReadonlyMap<string, string>;
  readonly errors: ReadonlyMap<string, string>;
}

/** Tries the code in `hooks/<directory>` as a daemon would run it. Rejects with what it said when it fails. */
async function runHook(
  directory: string,
  given: readonly RecordLine[],
  config: Record<string, string | number>,
): Promise<Output> {
  const hook = convention.hooks.find(({ name }) => directory.startsWith(name));
  if (!hook) throw new Error(`${directory} is the code of no hook`);
  const pack = await packDirectory(join(example, 'hooks', directory));
  const blobs = filesystemBlobs(join(place.path, 'blobs'));
  await blobs.put(pack.digest.replace('sha256:', ''), pack.open(), { maxBytes: bounds.blobBytes });
  const code = { runtime: 'directory', image: null, digest: pack.digest } as const;
  const tried = await tryHook({
    hook: hook.name,
    contract: hook.feature,
    release: { ...code, command: [process.execPath, 'hook.mjs'], config, limits: hook.limits },
    records: given.map(({ source_id, metadata }) => ({ id: source_id, metadata: JSON.stringify(metadata) })),
    runner: runners.process.make({ blobs, environment: process.env }),
    workspace: join(place.path, 'work'),
    threads,
    limit: 100_000,
    signal: new AbortController().signal,
  });
  if (tried.failure !== null) throw new Error(Buffer.from(tried.log).toString());
  const rows = Map.groupBy(tried.rows, ({ id }) => id);
  const verdicts = [...tried.verdicts];
  const reasons = (status: 'rejected' | 'errored') =>
    new Map(
      verdicts.flatMap(([id, verdict]) => (verdict.status === status ? [[id, verdict.reason] as const] : [])),
    );
  return {
    rows: new Map(
      verdicts
        .filter(([, { status }]) => status === 'passed')
        .map(([id]) => [id, (rows.get(id) ?? []).map(({ values }) => values)]),
    ),
    rejections: reasons('rejected'),
    errors: reasons('errored'),
  };
}

function readRecords(ndjson: string): RecordLine[] {
  return ndjson
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

function event(source_id: string, metadata: Row): RecordLine {
  const usual = { event_type: 'earthquake', magnitude: 5, magnitude_type: 'mw', depth_km: 10 };
  return { source_id, metadata: { ...usual, ...metadata } };
}

function numberAt(rows: Output['rows'], id: string, column: string): number {
  return Number(rows.get(id)?.[0]?.[column]);
}

function isSame(left: unknown, right: unknown): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}

/** Allen, Wald & Worden (2012), hypocentral form, distances in km. */
function medianIntensity(magnitude: number, distance: number): number {
  const saturation = 2.042 * Math.exp(magnitude - 5) - 0.209;
  const geometric = 0.701 * Math.log(distance * distance + saturation * saturation);
  const beyond = 0.078 * Math.max(0, Math.log(distance / 50));
  return 2.085 + 1.428 * magnitude - geometric + beyond;
}

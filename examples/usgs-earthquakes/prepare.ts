import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';

/**
 * Turns the USGS feed in the npm package `vega-datasets` into NDJSON for `osa ingest`, one line a record:
 * `{"source_id": "<USGS event id>", "metadata": {…}}`. `records` holds all events of the feed; `corrected` is a
 * later, smaller file in which some of them carry another magnitude and the others are the same, byte for byte.
 */
export function prepare(): { records: string; corrected: string } {
  const events = readEvents();
  const later = events
    .filter(isInCorrectedFile)
    .map((event) => (isCorrected(event) ? correct(event) : event));
  return { records: toNdjson(events), corrected: toNdjson(later) };
}

/** The part of a USGS GeoJSON event that is used here; the feed's documentation explains `mag` to `felt`. */
const UsgsEvent = z.object({
  id: z.string().min(1),
  geometry: z.object({ coordinates: z.tuple([z.number(), z.number(), z.number()]) }),
  properties: z.object({
    mag: z.number(),
    magType: z.string(),
    type: z.string(),
    place: z.string(),
    time: z.int(),
    status: z.string(),
    tsunami: z.union([z.literal(0), z.literal(1)]),
    sig: z.int(),
    sources: z.string(),
    url: z.url(),
    nst: z.int().nullable(),
    felt: z.int().nullable(),
    cdi: z.number().nullable(),
    alert: z.string().nullable(),
  }),
});
const Feed = z.object({ features: z.array(UsgsEvent) });
type UsgsEvent = z.infer<typeof UsgsEvent>;

function readEvents(): UsgsEvent[] {
  // The package exports only its script, so the path of the data starts there.
  const script = createRequire(import.meta.url).resolve('vega-datasets');
  const text = readFileSync(resolve(script, '../../data/earthquakes.json'), 'utf8');
  const { features } = Feed.parse(JSON.parse(text));
  const ids = new Set(features.map((event) => event.id));
  if (ids.size !== features.length) throw new Error('an event id stands twice in the feed of vega-datasets');
  return features;
}

function toNdjson(events: readonly UsgsEvent[]): string {
  return events
    .map((event) => `${JSON.stringify({ source_id: event.id, metadata: toMetadata(event) })}\n`)
    .join('');
}

/** The metadata of `convention.yaml`, without the values that the USGS leaves null. */
function toMetadata({ geometry, properties }: UsgsEvent): Record<string, unknown> {
  const [longitude, latitude, depth] = geometry.coordinates;
  return {
    magnitude: properties.mag,
    magnitude_type: properties.magType,
    event_type: properties.type,
    place: properties.place,
    time: new Date(properties.time).toISOString(),
    longitude,
    latitude,
    depth_km: depth,
    status: properties.status,
    tsunami: properties.tsunami === 1,
    significance: properties.sig,
    networks: properties.sources.split(',').filter((network) => network !== ''),
    url: properties.url,
    ...(properties.nst !== null && { stations: properties.nst }),
    ...(properties.felt !== null && { felt_reports: properties.felt }),
    ...(properties.cdi !== null && { reported_intensity: properties.cdi }),
    ...(properties.alert !== null && { alert: properties.alert }),
  };
}

/** The corrected file holds the local magnitudes from 2.5 up to 3.5, so that it has changed and unchanged records. */
function isInCorrectedFile({ properties }: UsgsEvent): boolean {
  return properties.magType === 'ml' && properties.mag >= 2.5 && properties.mag < 3.5;
}

function isCorrected({ properties }: UsgsEvent): boolean {
  return properties.mag >= 3;
}

/**
 * Adds 0.1, as a revised station calibration would. This is a correction for the sake of demonstration: the USGS
 * has published no such values.
 */
function correct(event: UsgsEvent): UsgsEvent {
  const mag = Number((event.properties.mag + 0.1).toFixed(2));
  return { ...event, properties: { ...event.properties, mag } };
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { out: { type: 'string' } } });
  const directory = resolve(values.out ?? import.meta.dirname);
  mkdirSync(directory, { recursive: true });
  for (const [name, text] of Object.entries(prepare())) {
    const file = join(directory, `${name}.ndjson`);
    writeFileSync(file, text);
    console.log(`${file}: ${text.split('\n').length - 1} records`);
  }
}

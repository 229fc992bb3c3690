/**
 * How far from an earthquake each level of shaking is expected. One row a level of the Modified Mercalli scale,
 * from II to X; a record may have none.
 *
 *   I(M, R) = 2.085 + 1.428 M − 1.402 ln √(R² + RM²) + (R > 50 ? 0.078 ln(R / 50) : 0)
 *   RM      = −0.209 + 2.042 exp(M − 5)
 *   σ(R)    = 0.82 + 0.37 / (1 + (R / 22.9)²)
 *
 * I is the median intensity, R the hypocentral distance in km, σ the total standard deviation in intensity units.
 * Allen, Wald & Worden (2012), J. Seismol. 16, 409–433, the form for hypocentral distance without site effects,
 * for the active crust, fitted to 5.0 ≤ M ≤ 7.9 and R < 300 km.
 *
 * The distance is where the median equals the level, so people nearer to the source should feel more. There is
 * no row for a level that is not reached at the epicentre, for a level that reaches beyond 300 km, for a magnitude
 * outside of the range, nor for a source below `deepest_km` of the config: the equation says nothing about the
 * mantle, and where the crust ends is the maintainer's choice. The magnitude is taken as it was reported.
 */
import { createReadStream } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';

const smallestMagnitude = 5;
const largestMagnitude = 7.9;
const farthestKm = 300;

/** The scale's words, as the USGS uses them on its maps. */
const levels = [
  { intensity: 2, shaking: 'weak' },
  { intensity: 3, shaking: 'weak' },
  { intensity: 4, shaking: 'light' },
  { intensity: 5, shaking: 'moderate' },
  { intensity: 6, shaking: 'strong' },
  { intensity: 7, shaking: 'very strong' },
  { intensity: 8, shaking: 'severe' },
  { intensity: 9, shaking: 'violent' },
  { intensity: 10, shaking: 'extreme' },
];

await run(process.env.OSA_IN, process.env.OSA_OUT);

async function run(input, output) {
  const deepestKm = readDeepest(JSON.parse(await readFile(join(input, 'config.json'), 'utf8')));
  await using features = await open(join(output, 'features.jsonl'), 'w');
  await using errors = await open(join(output, 'errors.jsonl'), 'w');

  for await (const line of readLines(join(input, 'records.jsonl'))) {
    const { id, metadata } = JSON.parse(line);
    const { magnitude, depth_km } = metadata;
    if (!Number.isFinite(magnitude) || !Number.isFinite(depth_km)) {
      const error = `magnitude is ${JSON.stringify(magnitude)} and depth_km ${JSON.stringify(depth_km)}, numbers are needed`;
      await errors.appendFile(toLine({ id, error, retryable: false }));
    } else {
      await features.appendFile(toLine({ id, features: toRows(magnitude, depth_km, deepestKm) }));
    }
  }
}

function toRows(magnitude, depthKm, deepestKm) {
  if (magnitude < smallestMagnitude || magnitude > largestMagnitude || depthKm > deepestKm) return [];
  // Depths are below sea level, so a source in a mountain may lie above it.
  const nearestKm = Math.max(depthKm, 0);
  return levels
    .filter(({ intensity }) => intensity <= intensityAt(magnitude, nearestKm))
    .filter(({ intensity }) => intensity >= intensityAt(magnitude, farthestKm))
    .map((level) => toRow(level, distanceOf(level.intensity, magnitude, nearestKm), nearestKm));
}

function toRow({ intensity, shaking }, distanceKm, depthKm) {
  return {
    intensity,
    shaking,
    hypocentral_distance_km: toThousandth(distanceKm),
    epicentral_distance_km: toThousandth(Math.sqrt(distanceKm ** 2 - depthKm ** 2)),
    intensity_sigma: toThousandth(0.82 + 0.37 / (1 + (distanceKm / 22.9) ** 2)),
  };
}

function intensityAt(magnitude, distanceKm) {
  const saturationKm = -0.209 + 2.042 * Math.exp(magnitude - 5);
  const near = 2.085 + 1.428 * magnitude - 1.402 * Math.log(Math.hypot(distanceKm, saturationKm));
  return distanceKm > 50 ? near + 0.078 * Math.log(distanceKm / 50) : near;
}

/** The intensity falls with distance all the way, so halving the interval finds the one distance, to a millimetre. */
function distanceOf(intensity, magnitude, nearestKm) {
  let [near, far] = [nearestKm, farthestKm];
  while (far - near > 1e-6) {
    const middle = (near + far) / 2;
    if (intensityAt(magnitude, middle) > intensity) near = middle;
    else far = middle;
  }
  return far;
}

/** A metre of a kilometre; no distance and no deviation is known better. */
function toThousandth(value) {
  return Math.round(value * 1000) / 1000;
}

function readDeepest({ deepest_km }) {
  if (deepest_km > 0) return deepest_km;
  throw new Error(
    `config: deepest_km is ${JSON.stringify(deepest_km)}, it must be a number of kilometres above 0`,
  );
}

/** Lines end at a line feed only: `node:readline` also cuts at U+2028, which may stand in a JSON string. */
async function* readLines(path) {
  let rest = '';
  for await (const chunk of createReadStream(path, 'utf8')) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop();
    yield* lines;
  }
  if (rest !== '') yield rest;
}

function toLine(value) {
  return `${JSON.stringify(value)}\n`;
}

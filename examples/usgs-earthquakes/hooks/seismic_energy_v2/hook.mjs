/**
 * Seismic moment and radiated energy of an earthquake, in SI units. One row a record.
 *
 * A magnitude on another scale is first converted to a moment magnitude Mw:
 *
 *   ml, md    Mw = 0.594 ML + 0.985               below 2
 *             Mw = 1.327 + 0.253 ML + 0.085 ML²   from 2 up to 4
 *             Mw = ML − 0.3                       from 4
 *             Goertz-Allmann et al. (2011), Bull. Seismol. Soc. Am. 101, 3088–3095, fitted to Swiss earthquakes.
 *             A duration magnitude is taken for a local one, since it is calibrated against it: Michaelson (1990),
 *             Bull. Seismol. Soc. Am. 80, 1190–1204, for central California.
 *   mb        Mw = 0.85 mb + 1.03, for 3.5 ≤ mb ≤ 6.2
 *             Scordilis (2006), J. Seismol. 10, 225–236, global.
 *
 * All others are taken as they are: moment magnitudes (mw, mww, mwr, …), a body-wave magnitude outside of that
 * range, and mb_lg, for which no relation is used here. `magnitude_source` says what was done.
 * A converted magnitude is rounded to a thousandth, and moment and energy follow from the rounded value.
 *
 *   moment    log10 M0 = 1.5 M + 9.05, M0 in N·m
 *             Hanks & Kanamori (1979), J. Geophys. Res. 84, 2348–2350: M = 2/3 log10 M0 − 10.7, M0 in dyn·cm.
 *
 *   energy    by `relation` of the config:
 *             gutenberg-richter   log10 E = 1.5 M + 4.8, E in J
 *             Gutenberg & Richter (1956), Annali di Geofisica 9, 1–15: log10 E = 5.8 + 2.4 m, E in erg, with the
 *             unified magnitude m = 0.63 Ms + 2.5, hence 11.8 + 1.5 Ms.
 *             kanamori            E = M0 / 20 000
 *             Kanamori (1977), J. Geophys. Res. 82, 2981–2987.
 *
 * These relations are for earthquakes: an explosion or a quarry blast is rejected.
 */
import { createReadStream } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** By magnitude type: the name of the relation, where it holds, and the moment magnitude. */
const conversions = {
  ml: { source: 'goertz-allmann-2011', holds: () => true, toMw: localToMw },
  md: { source: 'goertz-allmann-2011', holds: () => true, toMw: localToMw },
  mb: { source: 'scordilis-2006', holds: (mb) => mb >= 3.5 && mb <= 6.2, toMw: (mb) => 0.85 * mb + 1.03 },
};

const energyInJoules = {
  'gutenberg-richter': (magnitude) => 10 ** (1.5 * magnitude + 4.8),
  kanamori: (magnitude) => momentInNewtonMetres(magnitude) / 20_000,
};

await run(process.env.OSA_IN, process.env.OSA_OUT);

async function run(input, output) {
  const toEnergy = chooseRelation(JSON.parse(await readFile(join(input, 'config.json'), 'utf8')));
  await using features = await open(join(output, 'features.jsonl'), 'w');
  await using rejections = await open(join(output, 'rejections.jsonl'), 'w');
  await using errors = await open(join(output, 'errors.jsonl'), 'w');

  for await (const line of readLines(join(input, 'records.jsonl'))) {
    const { id, metadata } = JSON.parse(line);
    const { event_type, magnitude, magnitude_type } = metadata;
    if (event_type !== 'earthquake') {
      const reason = `not an earthquake: event_type is "${event_type}", the relations hold for earthquakes only`;
      await rejections.appendFile(toLine({ id, reason }));
    } else if (!Number.isFinite(magnitude)) {
      const error = `magnitude is ${JSON.stringify(magnitude)}, a number is needed`;
      await errors.appendFile(toLine({ id, error, retryable: false }));
    } else {
      await features.appendFile(
        toLine({ id, features: [toRow(toMomentMagnitude(magnitude, magnitude_type), toEnergy)] }),
      );
    }
  }
}

function toRow({ magnitude, source }, toEnergy) {
  return {
    moment_magnitude: magnitude,
    magnitude_source: source,
    moment_n_m: momentInNewtonMetres(magnitude),
    energy_j: toEnergy(magnitude),
  };
}

function toMomentMagnitude(magnitude, type) {
  const conversion = Object.hasOwn(conversions, type) ? conversions[type] : undefined;
  if (!conversion?.holds(magnitude)) return { magnitude, source: 'reported' };
  return { magnitude: toThousandth(conversion.toMw(magnitude)), source: conversion.source };
}

function localToMw(ml) {
  if (ml < 2) return 0.594 * ml + 0.985;
  if (ml < 4) return 1.327 + 0.253 * ml + 0.085 * ml ** 2;
  return ml - 0.3;
}

/** Far below what a magnitude is known to; it keeps the last bits of the arithmetic out of the row. */
function toThousandth(magnitude) {
  return Math.round(magnitude * 1000) / 1000;
}

function momentInNewtonMetres(magnitude) {
  return 10 ** (1.5 * magnitude + 9.05);
}

function chooseRelation({ relation }) {
  if (Object.hasOwn(energyInJoules, relation)) return energyInJoules[relation];
  const known = Object.keys(energyInJoules).join(', ');
  throw new Error(`config: relation is ${JSON.stringify(relation)}, it must be one of ${known}`);
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

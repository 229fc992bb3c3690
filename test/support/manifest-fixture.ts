import { parseManifest } from '@osa/core/convention/manifest/read';
import { asOsaError, type OsaError } from '@osa/core/error';
import { expect } from 'vitest';

export const digest = `sha256:${'0123456789abcdef'.repeat(4)}`;

/** Every part of a convention, one line each where a case below changes it. */
export const good = `slug: usgs-earthquakes
title: USGS earthquakes
description: Earthquakes of one week, as reported by the USGS.
schema:
  id: earthquake
  version: 1.0.0
  fields:
    - { name: magnitude, type: number, required: true, description: Preferred magnitude }
    - { name: depth, type: number, unit: km, constraints: { min_value: -10 } }
    - { name: place, type: text, cardinality: zero_or_more, examples: [Alaska] }
files: { accepted_types: [], max_count: 0 }
hooks:
  - name: seismic_energy
    feature:
      cardinality: one
      columns:
        - { name: energy_j, json_type: number, required: true, unit: J, description: Radiated energy }
        - { name: at, json_type: string, format: date-time }
    config: { relation: gutenberg-richter }
    limits: { memory: 256m, cpu: "0.5", timeout_seconds: 60 }
    release: { directory: ./hooks/seismic_energy, command: [node, hook.mjs] }
  - name: felt_radius
    feature: { cardinality: many, columns: [{ name: radius_km, json_type: number }] }
    release: { image: ghcr.io/org/felt:1.2, digest: ${digest}, source_ref: git+https://host/repo@abc }
docs: { purpose: Find strong earthquakes, example_questions: [Which was the strongest?] }
`;

export const parseText = (text: string) => parseManifest(text, { file: 'convention.yaml' });

/** The good document with one text in it replaced by another. */
export function changed(from: string, to: string): string {
  expect(good).toContain(from);
  return good.replace(from, () => to);
}

export function failure(text: string): OsaError {
  try {
    parseText(text);
  } catch (error) {
    const known = asOsaError(error);
    if (known) return known;
    throw error;
  }
  throw new Error('the text was accepted');
}

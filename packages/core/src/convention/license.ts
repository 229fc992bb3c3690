import { z } from 'zod';

/** The licence of a dataset: an identifier of the SPDX list, such as `CC-BY-4.0`, or the address of its text. */
export const License = z
  .string()
  .max(500)
  .regex(
    /^(?:[A-Za-z0-9][A-Za-z0-9.+-]{0,99}|https?:\/\/[^\s"<>\\^`{|}]+)$/,
    'must be an SPDX identifier, such as CC-BY-4.0, or the http address of a licence',
  );

/** Where the text of a licence is. */
export function licenseUrl(license: string): string {
  return isUrl(license) ? license : `https://spdx.org/licenses/${license}`;
}

/** The licence as an entity of an RO-Crate. */
export function licenseEntity(license: string): Readonly<Record<string, unknown>> {
  const name = isUrl(license) ? 'Licence of the data' : license;
  return { '@id': licenseUrl(license), '@type': 'CreativeWork', name, url: licenseUrl(license) };
}

export function isUrl(license: string): boolean {
  return /^https?:/.test(license);
}

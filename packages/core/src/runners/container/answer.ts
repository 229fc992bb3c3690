import type { z } from 'zod';
import { OsaError } from '../../error.ts';

/**
 * The JSON of an engine, with those members that we need. An engine that is ill answers with anything, and may get well.
 *
 * @throws OsaError `unavailable` for any other text
 */
export function readAnswer<Shape extends z.ZodType>(
  text: string,
  shape: Shape,
  source: string,
): z.output<Shape> {
  try {
    return shape.parse(JSON.parse(text));
  } catch (cause) {
    const start = JSON.stringify(text.slice(0, 60));
    throw new OsaError('unavailable', `${source} cannot be read; it begins with ${start}`, {
      cause,
    });
  }
}

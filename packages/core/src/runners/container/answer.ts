import { z } from 'zod';
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
    throw unreadable(source, text, cause);
  }
}

/** The engine's id of an image; podman leaves the prefix out, docker does not. */
export const imageId = z.string().regex(/^(sha256:)?[0-9a-f]{64}$/);

/** Ids of containers, one a line: whatever else an engine prints must not become an argument. @throws OsaError `unavailable` */
export function readIds(text: string, source: string): string[] {
  const ids = text.split('\n').filter(Boolean);
  if (ids.every((id) => /^[0-9a-f]{64}$/.test(id))) return ids;
  throw unreadable(source, text);
}

function unreadable(source: string, text: string, cause?: unknown): OsaError {
  const start = JSON.stringify(text.slice(0, 60));
  return new OsaError('unavailable', `${source} cannot be read; it begins with ${start}`, { cause });
}

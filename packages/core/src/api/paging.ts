import { z } from 'zod';
import { bounds } from '../limits.ts';

/** Digits only, as the command line takes them: `Number` alone would read `0x10`, `1e2` and an empty text too. */
const digits = /^\d{1,16}$/;

/** A whole number in a path or a query. */
export const wholeText = (least: number, most: number) => {
  const rule = `must be a whole number from ${least} to ${most}`;
  return z.preprocess(fromDigits, z.int(rule).min(least, rule).max(most, rule));
};

function fromDigits(given: unknown): unknown {
  return typeof given === 'string' && digits.test(given) ? Number(given) : given;
}

const cursor = z.string().max(1_000).optional();

const limit = wholeText(1, bounds.pageRows).default(bounds.defaultPageRows);

export const page = z.object({ cursor, limit });

/** For lists that clients usually read completely. */
export const wholePage = z.object({ cursor, limit: limit.default(bounds.pageRows) });

/** Clients of the existing archive ask for more rows than a page may hold, and get a full page. */
export const dataPage = z.object({
  cursor,
  limit: wholeText(1, Number.MAX_SAFE_INTEGER)
    .transform((rows) => Math.min(rows, bounds.pageRows))
    .default(bounds.defaultPageRows),
});

export const nextPage = { next_cursor: z.string().nullable(), has_more: z.boolean() };

export const table = <T extends z.ZodType>(row: T) => z.object({ rows: z.array(row), ...nextPage });

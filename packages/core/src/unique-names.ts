import type { z } from 'zod';

/** Adds an issue for each element whose name stands in the list before. */
export function refuseTwins(list: readonly { name: string }[], context: z.core.$RefinementCtx): void {
  const seen = new Set<string>();
  for (const [index, { name }] of list.entries()) {
    if (seen.has(name)) {
      context.addIssue({ code: 'custom', path: [index, 'name'], message: `"${name}" stands twice` });
    }
    seen.add(name);
  }
}

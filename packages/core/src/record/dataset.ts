import type { Answer } from '../api/index.ts';
import type { Page } from '../hook/registry.ts';

/** Published records and the rows of their features, page by page. */
export interface DatasetReads {
  /** The schema's registered versions, in no order. */
  schemaVersions(id: string): Promise<string[]>;
  records(
    schema: { readonly id: string; readonly version: string },
    page: Page & { readonly history: boolean },
  ): Promise<Answer<'readRecords'>>;
  /** Undefined when no convention of the schema has named the hook. */
  rows(
    schema: { readonly id: string; readonly version: string },
    hook: string,
    page: Page & { readonly history: boolean; readonly release?: number | undefined },
  ): Promise<Answer<'readRows'> | undefined>;
}

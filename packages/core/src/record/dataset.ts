import type { Answer } from '../api/index.ts';
import type { Page } from '../hook/registry.ts';

/** A schema version as one convention uses it. Others may use it too, and their records are theirs. */
export interface SchemaOfConvention {
  readonly id: string;
  readonly version: string;
  readonly convention: string;
}

/** Published records and the rows of their features, page by page. */
export interface DatasetReads {
  /**
   * The convention whose records are meant, which is the schema's owner unless it is named, and the versions of the
   * schema that it has used, in no order. Undefined when no such schema is registered.
   */
  schemaVersions(
    id: string,
    convention: string | undefined,
  ): Promise<{ readonly convention: string; readonly versions: readonly string[] } | undefined>;
  records(of: SchemaOfConvention, page: Page & { readonly history: boolean }): Promise<Answer<'readRecords'>>;
  /** Undefined when the convention has not named the hook. */
  rows(
    of: SchemaOfConvention,
    hook: string,
    page: Page & { readonly history: boolean; readonly release?: number | undefined },
  ): Promise<Answer<'readRows'> | undefined>;
}

import type { Answer } from '../api/index.ts';
import type { FeatureContract } from '../hook/hook.ts';
import type { Page, StoredSchema } from '../hook/registry.ts';
import type { Condition } from './filter.ts';
import type { Order } from './sort.ts';
import type { Table, TableRow } from './table.ts';

/** A schema version as one convention uses it. Others may use it too, and their records are theirs. */
export interface SchemaOfConvention {
  readonly id: string;
  readonly version: string;
  readonly convention: string;
}

/** A place behind a row, in the order of a selection: the values that it is sorted by, as text, and the row's own key. */
export interface Place {
  readonly k: readonly (string | null)[];
  readonly id: string;
}

/** The part of a table that is read, and its order. */
export interface Selection {
  readonly of: SchemaOfConvention;
  readonly table: Table;
  readonly order: Order;
  readonly condition: Condition | undefined;
  /** With older versions and superseded rows. */
  readonly history: boolean;
  /** The moment as of which is read. */
  readonly asOf: string;
  /** Rows of one release only. */
  readonly release: number | undefined;
}

export interface Portion {
  readonly after: Place | undefined;
  /** Rows at most. It also ends where their values have `bytes`: the row that reaches them is the last. */
  readonly limit: number;
  readonly bytes: number;
}

/** Published records and the rows of their features. */
export interface DatasetReads {
  /**
   * The convention whose records are meant, which is the schema's owner unless it is named, and the versions of the
   * schema that it has used, in no order. Undefined when no such schema is registered.
   */
  schemaVersions(
    id: string,
    convention: string | undefined,
  ): Promise<{ readonly convention: string; readonly versions: readonly string[] } | undefined>;
  schema(of: SchemaOfConvention): Promise<StoredSchema & { readonly title: string }>;
  /** Undefined when the convention has not named the hook. */
  contract(of: SchemaOfConvention, hook: string): Promise<FeatureContract | undefined>;
  /**
   * A moment for a consistent reading: what is published in the convention after it is not seen by readings as of it, and all
   * that was published before is seen. Not later than `given`.
   */
  settled(convention: string, given: string | undefined): Promise<string>;
  /**
   * A part of a table. `next` is where to go on; there may be no row behind it, and a part may have none while there are more.
   *
   * @throws OsaError `invalid` when too many rows would have to be sorted
   */
  portion(selection: Selection, portion: Portion): Promise<{ rows: TableRow[]; next: Place | undefined }>;
  /**
   * A part of a feature table, as the elements of a JSON array.
   *
   * @throws OsaError `invalid` when too many rows would have to be sorted
   */
  rowTexts(
    selection: Selection,
    portion: Portion,
  ): Promise<{ readonly text: string; readonly count: number; readonly next: Place | undefined }>;
  /** One version of a record by the id of its SRN, the newest one unless it is named. */
  record(id: string, version: number | undefined): Promise<Answer<'readRecord'> | undefined>;
  catalog(page: Page): Promise<Answer<'dataCatalog'>>;
  /** The hooks that a convention with this schema has, or owns, with the rows that it counts up to a bound. */
  counts(of: SchemaOfConvention): Promise<TableCounts>;
  readonly domain: string;
}

export interface Count {
  readonly rows: number;
  /** Whether that is all: counting ends at a bound. */
  readonly isExact: boolean;
}

export interface TableCounts {
  readonly records: Count;
  readonly features: readonly (Count & { readonly hook: string; readonly contract: FeatureContract })[];
}

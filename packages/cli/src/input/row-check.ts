import { stepsOfUpload } from '@osa/core/ingestion/record-line';
import { parseExactJson } from '@osa/core/json/exact';
import { metadataChecker, recordSteps } from '@osa/core/record/check';
import type { FieldDefinition } from '@osa/core/record/schema';
import { excerpt } from '@osa/core/text';

/** The schema that the records must keep. */
export interface Wanted {
  readonly fields: readonly FieldDefinition[];
  readonly openText: boolean;
}

export interface CellValue {
  readonly field: FieldDefinition;
  /** The title of its column. */
  readonly title: string;
  /** JSON; undefined for an empty cell. */
  readonly json: string | undefined;
}

/**
 * Checks the values of rows as the server does. The server knows neither the file nor the column of a value, so the reasons
 * are found here and sent with the record.
 */
export class RowCheck {
  private readonly checks: ReadonlyMap<string, ReturnType<typeof metadataChecker>>;
  private left = stepsOfUpload.first;

  constructor({ fields, openText }: Wanted) {
    this.checks = new Map(fields.map((field) => [field.name, metadataChecker([field], { openText })]));
  }

  /** Why values of one row break the schema. None where matching patterns takes too long: the server decides then. */
  reasons(values: readonly CellValue[]): string[] {
    const most = Math.min(recordSteps, this.left);
    const steps = { left: most };
    const reasons: string[] = [];
    for (const { field, title, json } of values) {
      const metadata = json === undefined ? {} : { [field.name]: parseExactJson(json) };
      this.left += (json?.length ?? 0) * stepsOfUpload.perByte;
      for (const reason of this.checks.get(field.name)?.(metadata, steps) ?? []) {
        reasons.push(title === field.name ? reason : `column ${excerpt(title)}: ${reason}`);
      }
    }
    this.left -= most - Math.max(0, steps.left);
    return steps.left > 0 ? reasons : [];
  }
}

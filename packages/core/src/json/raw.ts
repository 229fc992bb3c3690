/** A number that no double keeps: raw JSON, which `JSON.stringify` writes out digit by digit. */
export interface RawNumber {
  readonly rawJSON: string;
}

// TypeScript's library does not know raw JSON yet.
export const { rawJSON: rawNumber } = JSON as unknown as { rawJSON(digits: string): RawNumber };

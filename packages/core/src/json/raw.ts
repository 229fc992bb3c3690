/** A number that no double keeps: raw JSON, which `JSON.stringify` writes out digit by digit. */
export interface RawNumber {
  readonly rawJSON: string;
}

// TypeScript's library does not know raw JSON yet.
export const { rawJSON: rawNumber, isRawJSON: isRawNumber } = JSON as unknown as {
  rawJSON(digits: string): RawNumber;
  isRawJSON(value: unknown): value is RawNumber;
};

/** Whether a value is a JSON object. To `typeof` a raw number is an object, too. */
export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !isRawNumber(value);
}

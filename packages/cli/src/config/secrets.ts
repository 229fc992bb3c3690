import { OsaError } from '@osa/core/error';

/**
 * `"value" ` for a message, or nothing where the value may be a secret that was put into the wrong variable: a key, a
 * token, a URL with a password.
 */
export function quotedUnlessSecret(value: string): string {
  // Keys and tokens are long runs of base64, in either alphabet; hosts have dots.
  const isHarmless = value.length <= 100 && !/[@{\n]|BEGIN|[\w+/=-]{20,}/.test(value);
  return isHarmless ? `"${value}" ` : '';
}

/**
 * Refuses a private key where a name belongs, since names are shown and sent.
 *
 * @throws OsaError `credentials`; the value is not in the message
 */
export function refuseKey(variable: string, value: string | undefined): void {
  if (value === undefined || !/PRIVATE KEY|"d"\s*:/.test(value)) return;
  throw new OsaError(
    'credentials',
    `${variable} holds a private key; set OSA_KEY to it, and unset ${variable}`,
    {
      field: variable,
    },
  );
}

import { z } from 'zod';

export const whole = (least: number, most: number) => {
  const error = `must be a whole number from ${least} to ${most}`;
  return z.coerce.number({ error }).int({ error }).min(least, { error }).max(most, { error });
};
/** A URL that is posted to: `fetch` refuses one with a user, and would put it into its error. `secret` is where it goes instead. */
export const endpoint = (secret: string) =>
  z
    .url({ protocol: /^https?$/, error: 'must be a URL with http:// or https://' })
    .refine(
      (url) => URL.parse(url)?.username === '' && URL.parse(url)?.password === '',
      `must not hold a user or password; put them into ${secret}`,
    );
/** A value as it may be shown: a URL may hold a password. */
export const withoutUser = (value: string) => value.replace(/(:\/\/).*@/, '$1***@');
export const words = (separator: RegExp, longest: number) =>
  z
    .string()
    .max(longest)
    .default('')
    .transform((text) => text.split(separator).filter(Boolean));

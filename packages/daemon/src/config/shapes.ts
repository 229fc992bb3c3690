import { z } from 'zod';

export const whole = (least: number, most: number) => {
  const error = `must be a whole number from ${least} to ${most}`;
  return z.coerce.number({ error }).int({ error }).min(least, { error }).max(most, { error });
};
export const words = (separator: RegExp, longest: number) =>
  z
    .string()
    .max(longest)
    .default('')
    .transform((text) => text.split(separator).filter(Boolean));

/** How many random numbers are tried; 100,000 take less than a minute. OSA_TEST_SEED gives other ones. */
export const count = Number(process.env.OSA_TEST_NUMBERS ?? 20_000);

/** An integer from 0 to below a bound. */
export const random = randomFrom(Number(process.env.OSA_TEST_SEED ?? 1));

/** An integer of 1 to 25 digits, a decimal, or a number with an exponent up to 400. */
export function randomNumber(): string {
  const sign = random(4) === 0 ? '-' : '';
  const whole = digits(1 + random(25)).replace(/^0+(?=\d)/, '');
  const fraction = `.${digits(1 + random(25))}`;
  const exponent = `${random(2) ? 'e' : 'E'}${['', '+', '-'][random(3)]}${random(401)}`;
  switch (random(4)) {
    case 0:
      return sign + whole;
    case 1:
      return sign + whole + fraction;
    case 2:
      return sign + (digits(1 + random(2)).replace(/^0+(?=\d)/, '') + fraction + exponent);
    default:
      return String(doubleOf(random(2 ** 32), random(2 ** 32)));
  }
}

function digits(length: number): string {
  return Array.from({ length }, () => random(10)).join('');
}

function doubleOf(high: number, low: number): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setUint32(0, high);
  view.setUint32(4, low);
  const double = view.getFloat64(0);
  return Number.isFinite(double) ? double : 0.5;
}

/** A generator of integers below a bound (mulberry32). */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/**
 * Plain scalars that read otherwise than they look, or otherwise than in YAML 1.1, which many people and programs know. Each
 * is refused with what to write instead, so that nobody has to know which YAML this is.
 */
const doubts: readonly {
  readonly pattern: RegExp;
  /** Elsewhere than in a config the shape of the file says what is meant. */
  readonly onlyConfig?: true;
  advice(source: string): string;
}[] = [
  {
    pattern: /^[-+]?0\d[\d.eE+-]*$/,
    advice: () =>
      'begins with a zero, which a number does not keep; leave it out, or write the value in quotes',
  },
  {
    pattern: /^[-+]?0[ob][\d_]+$/,
    advice: (source) => `is a number of another base; ${decimal(source)}write it in quotes`,
  },
  { pattern: /^~$/, advice: () => 'is read as null; write null, or "~" in quotes' },
  {
    pattern: /^[-+]?\d[\d_]*_[\d_]*(\.[\d_]*)?$/,
    onlyConfig: true,
    advice: (source) => `is text here; write ${source.replaceAll('_', '')}, or the value in quotes`,
  },
  {
    pattern: /^[-+]?\d+(:[0-5]?\d)+(\.\d*)?$/,
    onlyConfig: true,
    advice: () => 'is text here and a number of base 60 in YAML 1.1; write it in quotes',
  },
  {
    pattern: /^(yes|no|on|off)$/i,
    onlyConfig: true,
    advice: (source) => {
      const meant = /^(yes|on)$/i.test(source);
      return `is text here and ${meant} in YAML 1.1; write ${meant}, or the value in quotes`;
    },
  },
];

/** The doubt about the plain scalar `source`, as the end of a sentence. */
export function doubtOf(source: string, isConfig: boolean): string | undefined {
  if (source.length > longestDoubt) return undefined;
  const doubt = doubts.find(({ pattern, onlyConfig }) => (isConfig || !onlyConfig) && pattern.test(source));
  return doubt && `${source} ${doubt.advice(source)}`;
}

/** A longer number is refused by its size. */
const longestDoubt = 40;

function decimal(source: string): string {
  const number = Number(source.replaceAll('_', '').replace(/^[-+]/, ''));
  return Number.isSafeInteger(number) ? `write ${source.startsWith('-') ? '-' : ''}${number}, or ` : '';
}

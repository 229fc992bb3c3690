import { bold, type Line, line } from '../../terminal/paint.ts';

/** A public key for people, with the settings to paste. */
export function publicKeyLines(key: {
  readonly title: string;
  readonly from: string;
  readonly issuer: string;
  readonly publicJwk: object;
  readonly thumbprint: string;
}): Line[] {
  const { title, from, issuer, publicJwk, thumbprint } = key;
  return [
    line`${title.padEnd(11)}  ${from}`,
    line`thumbprint   ${bold(thumbprint)}`,
    '',
    'osad trusts it with these settings:',
    line`  OSA_ISSUER=${issuer}`,
    `  OSA_PUBLIC_KEY='${JSON.stringify(publicJwk)}'`,
  ];
}

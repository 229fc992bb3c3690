import type { Answer } from '@osa/core/api';
import type { Line } from '../../terminal/paint.ts';
import { pairs } from '../../terminal/table.ts';

type Rule = Pick<Answer<'addPublisher'>, 'issuer' | 'claims' | 'scopes'>;

export function ruleLines({ issuer, claims, scopes }: Rule): Line[] {
  return pairs([['provider', issuer], ...Object.entries(claims), ['scopes', scopes.join(', ')]]);
}

export function claimsText(claims: Rule['claims']): string {
  return Object.entries(claims)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');
}

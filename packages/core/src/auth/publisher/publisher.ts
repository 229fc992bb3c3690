import { z } from 'zod';
import { OsaError } from '../../error.ts';
import type { JsonValue } from '../../json/value.ts';
import { isScope } from '../scope.ts';

/** A rule of a trusted publisher: a job whose ID token has all of these claims may have these scopes. */
export interface Rule {
  readonly issuer: string;
  readonly claims: Readonly<Record<string, string>>;
  readonly scopes: readonly string[];
}

export interface Publisher extends Rule {
  readonly id: string;
}

/** Claims that say whose job it is; a rule without one of them would be for everybody's. */
const owners = ['repository', 'repository_id', 'project_path', 'project_id', 'sub'];

const claim = z
  .string()
  .min(1)
  .max(500)
  .regex(/^[^\p{Cc}*]+\*?$/u, 'must be a text, perhaps with one * at its end for any rest');

export const RuleShape = z
  .strictObject({
    issuer: z
      .string()
      .max(1_000)
      .refine(
        isIssuer,
        'must be the URL of an OpenID provider, such as https://token.actions.githubusercontent.com',
      ),
    claims: z
      .record(z.string().regex(/^[a-z][a-z0-9_]{0,63}$/, 'must be the name of a claim'), claim)
      .refine((claims) => Object.keys(claims).length <= 20, 'must be at most 20 claims')
      .refine(namesOwner, `must name whose job it is: ${owners.join(', ')}; with the owner whole before a *`),
    scopes: z
      .array(z.string().max(200).refine(isScope, 'must be a scope, such as conventions:write:usgs-*'))
      .min(1)
      .max(100),
  })
  .readonly();

/** A URL without anything that would change who is asked. Loopback may go without TLS, for development. */
function isIssuer(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isPlain = url?.username === '' && url.password === '' && url.search === '' && url.hash === '';
  return isPlain && (url.protocol === 'https:' || isLoopback(url));
}

export function isLoopback({ protocol, hostname }: URL): boolean {
  return protocol === 'http:' && /^(127(\.\d+){3}|\[::1\]|localhost)$/.test(hostname);
}

function namesOwner(claims: Readonly<Record<string, string>>): boolean {
  return owners.some((name) => {
    const text = claims[name];
    if (text === undefined) return false;
    return !text.endsWith('*') || (name !== 'sub' && /^[^/*]+\//.test(text));
  });
}

/** The first claim of the token that differs from the rule; undefined if the rule holds. */
export function mismatch(rule: Rule, claims: Readonly<Record<string, JsonValue>>): string | undefined {
  return Object.keys(rule.claims).find((name) => {
    const found = Object.hasOwn(claims, name) ? claims[name] : undefined;
    const wanted = rule.claims[name] ?? '';
    if (typeof found !== 'string') return true;
    return wanted.endsWith('*') ? !found.startsWith(wanted.slice(0, -1)) : found !== wanted;
  });
}

/** Claims that are kept of a job, under one name whatever the provider calls them; only those that can be shown. */
export function jobOf(claims: Readonly<Record<string, JsonValue>>): Record<string, string> {
  const entries = Object.entries(kept).flatMap(([name, spellings]) => {
    const found = spellings
      .map((spelling) => (Object.hasOwn(claims, spelling) ? claims[spelling] : undefined))
      .find((value) => typeof value === 'string' && isShown(value));
    return typeof found === 'string' ? [[name, found] as const] : [];
  });
  return Object.fromEntries(entries);
}

const kept = {
  repository: ['repository', 'project_path'],
  commit: ['sha'],
  ref: ['ref_path', 'ref'],
  workflow: ['workflow_ref', 'ci_config_ref_uri', 'workflow'],
  run: ['run_id', 'pipeline_id'],
  attempt: ['run_attempt', 'job_id'],
  environment: ['environment'],
  started_by: ['actor', 'user_login'],
} as const;

function isShown(text: string): boolean {
  return text !== '' && text.length <= 500 && !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(text);
}

/** @throws OsaError `not_found` */
export function unknownPublisher(id: string): OsaError {
  return new OsaError('not_found', `no publisher ${id}; osa publishers list shows all`, { details: { id } });
}

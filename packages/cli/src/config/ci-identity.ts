/** Where a CI job gets an ID token of its provider. */
export type IdTokenSource =
  | { readonly kind: 'given'; readonly token: string }
  /** GitHub Actions answers a request with one for the audience that it names. */
  | { readonly kind: 'github'; readonly url: string; readonly bearer: string };

/**
 * The ID token of `OSA_ID_TOKEN`, or what GitHub Actions gives to jobs with `permissions: id-token: write`; undefined
 * elsewhere.
 */
export function idTokenSource(environment: NodeJS.ProcessEnv): IdTokenSource | undefined {
  const { OSA_ID_TOKEN, ACTIONS_ID_TOKEN_REQUEST_URL, ACTIONS_ID_TOKEN_REQUEST_TOKEN } = environment;
  if (OSA_ID_TOKEN) return { kind: 'given', token: OSA_ID_TOKEN.trim() };
  const url = ACTIONS_ID_TOKEN_REQUEST_URL;
  const bearer = ACTIONS_ID_TOKEN_REQUEST_TOKEN;
  return url && bearer && URL.canParse(url) ? { kind: 'github', url, bearer } : undefined;
}

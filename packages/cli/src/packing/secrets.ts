/** Files that are probably secrets: by their name, or by what is in them. */

const names: readonly (readonly [pattern: RegExp, what: string])[] = [
  [/^id_(?:rsa|dsa|ecdsa|ed25519)$/, 'a private key'],
  [/\.(?:pem|key|p12|pfx|jks|keystore|kdbx|ppk|asc|gpg)$/i, 'a key'],
  [/(?:^|[._-])(?:private|secret)[._-]?key/i, 'a private key'],
  [/^(?:key|.*-key)\.jwk$/i, 'a key'],
  [/^\.(?:netrc|npmrc|pypirc|pgpass|htpasswd|dockercfg|git-credentials|boto|s3cfg)$/, 'credentials'],
  [/^_netrc$/, 'credentials'],
  [
    /^(?:credentials?|secrets?|passwords?|service[_-]?account.*|client_secret.*)(?:\.(?:json|ya?ml|toml|ini|cfg|txt|env|csv))?$/i,
    'credentials',
  ],
  [/^(?:kubeconfig|.*\.kubeconfig|.*\.tfstate|.*\.tfvars|.*\.env)$/i, 'credentials'],
];

const contents: readonly (readonly [pattern: RegExp, what: string])[] = [
  [/-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----/, 'a private key'],
  [/\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/, 'a key of AWS'],
  [/\b(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255})\b/, 'a token of GitHub'],
  [/\bglpat-[A-Za-z0-9_-]{20,255}\b/, 'a token of GitLab'],
  [/\bxox[abposr]-[A-Za-z0-9-]{10,255}\b/, 'a token of Slack'],
  [/\b(?:sk|rk)_live_[A-Za-z0-9]{20,255}\b/, 'a key of Stripe'],
  [/\bhf_[A-Za-z0-9]{30,255}\b/, 'a token of Hugging Face'],
  [/\bAIza[A-Za-z0-9_-]{35}\b/, 'a key of Google'],
  [/"kty"\s*:[^}]{0,2000}"d"\s*:|"d"\s*:[^}]{0,2000}"kty"\s*:/, 'a private key'],
];

/** No secret stands further inside a file that people write. */
const searchedBytes = 256 * 1024;

/** Why a file looks like a secret, or undefined. Its content is not shown. */
export function secretProblem(path: string, content: Uint8Array): string | undefined {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const byName = names.find(([pattern]) => pattern.test(name));
  if (byName) return `looks like ${byName[1]}, by its name`;
  const text = Buffer.from(
    content.buffer,
    content.byteOffset,
    Math.min(content.length, searchedBytes),
  ).toString('latin1');
  const byContent = contents.find(([pattern]) => pattern.test(text));
  return byContent && `holds what looks like ${byContent[1]}`;
}

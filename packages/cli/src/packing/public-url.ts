/**
 * A remote as others may see it: without user info, query and fragment, `git@host:path` as `ssh://host/path`.
 * Undefined for local paths, for other transports, and for a URL with an `@` behind its host. Such an `@` belongs to a
 * secret with an unescaped `/`, `?` or `#` in it, more often than a repository's name.
 */
export function publicUrl(remote: string): string | undefined {
  // A single letter is a Windows drive.
  const scp = /^(?:[^/]*@)?(\[[0-9a-f:]+\]|[^/:@[\]]{2,}):(?!\/\/|:)\/*([^/].*)$/i.exec(remote);
  const text = scp ? `ssh://${scp[1]}/${scp[2]}` : remote.replace(/^git\+(?=ssh:|https?:)/i, '');
  if (!/^(?:https?|ssh|git):\/\//i.test(text) || !URL.canParse(text)) return undefined;
  const { protocol, host, pathname, search, hash } = new URL(text);
  if (host === '' || `${pathname}${search}${hash}`.includes('@')) return undefined;
  return `${protocol.toLowerCase()}//${host}${pathname}`;
}

import { OsaError } from '../error.ts';

/**
 * Refuses an image that does not come from one of `registries`, each a host or the start of a name, such as
 * `ghcr.io/acme`; none means any. A name without a host is refused, since each engine completes it in its own way.
 *
 * @throws OsaError `invalid`, at `field`
 */
export function requireRegistry(
  registries: readonly string[],
  image: string | null | undefined,
  field: string,
): void {
  if (registries.length === 0 || image === null || image === undefined) return;
  const [host = '', ...path] = splitImage(image).name.split('/');
  const repository = `${[host.toLowerCase(), ...path].join('/').replace(/:[^/:]*$/, '')}/`;
  if (path.length > 0 && registries.some((registry) => repository.startsWith(`${registry}/`))) return;
  throw new OsaError(
    'invalid',
    `${field}: ${image} does not come from a registry of this archive; its name must begin with ${registries.join(' or ')}`,
    { field, details: { registries } },
  );
}

/** A registry that images may come from: a host, perhaps with a port and the start of a path. */
export function isRegistry(text: string): boolean {
  const isHost = /^([a-z0-9[][^/]*[.:]|localhost(?=[:/]|$))/.test(text);
  return isHost && text === text.toLowerCase() && isImage({ name: `${text}/x`, digest: undefined });
}

/** The only form of a digest: upper case and other algorithms would be a second name for the same code. */
export const digestPattern = /^sha256:[0-9a-f]{64}$/;

/** An image as it is written, `name[:tag][@sha256:…]`. */
export interface ImageReference {
  readonly name: string;
  /** The text after the `@`; undefined without one. */
  readonly digest: string | undefined;
}

export function splitImage(image: string): ImageReference {
  const at = image.indexOf('@');
  return at < 0
    ? { name: image, digest: undefined }
    : { name: image.slice(0, at), digest: image.slice(at + 1) };
}

/** The rule of `isImage`, as the end of a sentence about an image. */
export const imageRule =
  'must be a name such as "ghcr.io/acme/hook" or "acme/hook:1.2" (lower-case letters, digits and single . _ - between ' +
  'them, with / between the parts), after an @ only "sha256:" and 64 lower-case hexadecimal digits';

/**
 * Whether it has a name that a registry can have and, where it carries a digest, one that code can be run by. A name
 * becomes an argument of an engine that runs as root, so that nothing else may pass for one.
 */
export function isImage({ name, digest }: ImageReference): boolean {
  const [, repository = ''] = /^(.*?)(?::\w[\w.-]{0,127})?$/.exec(name) ?? [];
  const isName = repository.length <= 255 && repositoryPattern.test(repository);
  return isName && (digest === undefined || digestPattern.test(digest));
}

/** `[host[:port]/]part[/part…]`, as distribution/reference has it, whose grammar all engines share. */
const label = '[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?';
const host = `(?:${label}(?:\\.${label})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
const part = '[a-z0-9]+(?:(?:\\.|__?|-+)[a-z0-9]+)*';
const repositoryPattern = new RegExp(`^(?:${host}/)?${part}(?:/${part})*$`);

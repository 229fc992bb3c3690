/** What code is run by; upper case and other algorithms would be a second name for the same. */
export const digestPattern = /^sha256:[0-9a-f]{64}$/;

/** An image as it is written, `name[:tag][@sha256:…]`. */
export interface ImageReference {
  readonly name: string;
  /** As it stands after the `@`; undefined without one. */
  readonly digest: string | undefined;
}

export function splitImage(image: string): ImageReference {
  const at = image.indexOf('@');
  return at < 0
    ? { name: image, digest: undefined }
    : { name: image.slice(0, at), digest: image.slice(at + 1) };
}

/** What `isImage` asks for, as the end of a sentence about an image. */
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

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

/** Whether it has a name and, where it carries a digest, one that code can be run by. */
export function isImage({ name, digest }: ImageReference): boolean {
  return name !== '' && (digest === undefined || digestPattern.test(digest));
}

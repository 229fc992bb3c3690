/** A small file in place of a large one, by the specification of Git LFS: lines of a key and a value, `version` first. */
const pointer = /^version https:\/\/git-lfs\.github\.com\/spec\/v1\n(?:.*\n)*?oid sha256:([0-9a-f]{64})\n/;

/** A pointer has less than 1,024 bytes. */
const pointerBytes = 1_024;

export function isPointer(content: Uint8Array): boolean {
  return content.length < pointerBytes && pointedHash(Buffer.from(content).toString('latin1')) !== undefined;
}

/** The SHA-256 of the content that a pointer is for; undefined for anything else. */
export function pointedHash(text: string): string | undefined {
  return pointer.exec(text)?.[1];
}

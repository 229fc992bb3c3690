/** The bytes in the store as the database knows them. */
export interface Inventory {
  /** All bytes that it names, in the order of their digests. */
  named(): AsyncIterable<{ readonly sha256: string; readonly size: number }>;
  /** Waits while they are being forgotten. */
  isNamed(sha256: string): Promise<boolean>;
  /** Those of the digests that nothing refers to, and that nobody has used within the grace. */
  unneeded(digests: readonly string[], graceSeconds: number): Promise<readonly string[]>;
  /**
   * Calls `remove`, and forgets the bytes, unless something refers to them or uses them; nobody can begin to meanwhile.
   * `remove` answers false to keep them.
   *
   * @returns whether they are gone
   */
  forget(sha256: string, graceSeconds: number, remove: () => Promise<boolean>): Promise<boolean>;
  /** Forgets uses that are older than the grace. */
  forgetUses(graceSeconds: number): Promise<void>;
}

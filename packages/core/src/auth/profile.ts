/** The person as their token describes them; for display only. */
export interface Profile {
  readonly name: string | undefined;
  /** Where the person signed in, such as `orcid`, and the person's id there. */
  readonly provider: string | undefined;
  readonly externalId: string | undefined;
}

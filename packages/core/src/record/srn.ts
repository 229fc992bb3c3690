/** The structured resource name of a record: `urn:osa:<domain>:rec:<id>@<version>`. The whole name is lower case. */
export interface RecordSrn {
  readonly domain: string;
  readonly id: string;
  readonly version: number;
}

const pattern =
  /^urn:osa:([a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*):rec:([a-z0-9-]{3,64})@([1-9]\d{0,8})$/;

/** The parts of `text`, in any case, or undefined when it is not a record's SRN. */
export function parseRecordSrn(text: string): RecordSrn | undefined {
  const [, domain, id, version] = pattern.exec(text.trim().toLowerCase()) ?? [];
  return domain && id && version ? { domain, id, version: Number(version) } : undefined;
}

/** This archive among others: its domain is the second part of every SRN that it makes. */
export interface NodeIdentity {
  readonly domain: string;
}

import { OsaError } from '../../error.ts';
import { excerpt } from '../../text.ts';

/** A place in an S3-compatible store. */
export interface S3Target {
  readonly bucket: string;
  /** Empty, or ends with `/`. */
  readonly prefix: string;
  /** The URL of the bucket, which ends with `/`. */
  readonly url: URL;
  readonly region: string;
}

/**
 * Reads `s3://bucket/prefix?endpoint=https://…&region=…&style=path|host`. Without an endpoint the bucket is at Amazon.
 *
 * @throws OsaError `usage` that names `name`; it shows nothing that may be a secret
 */
export function s3Target(text: string, name: string): S3Target {
  const refused = (rule: string) => new OsaError('usage', `${name}: ${rule}`, { field: name });
  const url = URL.parse(text);
  if (url?.protocol !== 's3:') {
    throw refused(
      'must be s3://bucket/prefix?endpoint=https://host, or unset for files in the data directory',
    );
  }
  if (url.username || url.password) {
    throw refused('must not hold a key; set OSA_S3_ACCESS_KEY_ID and OSA_S3_SECRET_ACCESS_KEY_FILE');
  }
  const bucket = url.hostname;
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) {
    throw refused(`${excerpt(bucket)} is not the name of a bucket: 3 to 63 of a-z, 0-9, . and -`);
  }
  const prefix = url.pathname.replace(/^\/+|\/+$/g, '');
  if (!/^([\w.-]+(\/[\w.-]+)*)?$/.test(prefix) || prefix.length > 500) {
    throw refused(`the prefix ${excerpt(prefix)} must be of a-z, A-Z, 0-9, ., _, - and /`);
  }
  const { endpoint, region = 'us-east-1', style } = optionsOf(url, refused);
  if (!/^[a-z0-9-]{1,50}$/.test(region)) throw refused(`${excerpt(region)} is not a region`);
  return {
    bucket,
    prefix: prefix === '' ? '' : `${prefix}/`,
    url: bucketUrl({ bucket, endpoint, region, style }, refused),
    region,
  };
}

type Refused = (rule: string) => OsaError;
const options = ['endpoint', 'region', 'style'] as const;
type Chosen = Readonly<Partial<Record<(typeof options)[number], string | undefined>>>;

function optionsOf(url: URL, refused: Refused): Chosen {
  for (const option of url.searchParams.keys()) {
    if (!options.some((known) => known === option)) {
      throw refused(`${excerpt(option)} is not an option; the options are ${options.join(', ')}`);
    }
    if (url.searchParams.getAll(option).length > 1) throw refused(`${option} is given twice`);
  }
  return Object.fromEntries(url.searchParams);
}

function bucketUrl(
  { bucket, endpoint, region, style }: Chosen & { readonly bucket: string },
  refused: Refused,
): URL {
  const host = URL.parse(endpoint ?? `https://s3.${region}.amazonaws.com`);
  const isPlain = host && !host.username && !host.password && host.search === '' && host.hash === '';
  if (!isPlain || !/^https?:$/.test(host.protocol)) {
    throw refused('endpoint must be a URL with http or https, and without a key or a query');
  }
  // A certificate for *.host does not cover a bucket with dots.
  const usual = endpoint === undefined && !bucket.includes('.') ? 'host' : 'path';
  const base = host.pathname.replace(/\/+$/, '');
  if (style !== undefined && style !== 'path' && style !== 'host')
    throw refused('style must be path or host');
  if ((style ?? usual) === 'path') return new URL(`${host.origin}${base}/${bucket}/`);
  return new URL(`${host.protocol}//${bucket}.${host.host}${base}/`);
}

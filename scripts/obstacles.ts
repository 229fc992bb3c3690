export interface Facts {
  readonly version: string;
  /** Lines of `git status --porcelain`. */
  readonly changed: readonly string[];
  readonly tags: readonly string[];
  readonly changelog: string;
  /** The version of each manifest, by its path. */
  readonly versions: Readonly<Record<string, string>>;
  /** Names of the migrations, in order. */
  readonly migrations: readonly string[];
  /** Their lines, and those of `released.sha256`. */
  readonly digests: readonly string[];
  readonly released: readonly string[];
  /** The databases of released versions that the test of upgrades has. */
  readonly dumps: readonly string[];
}

/** The reasons that stop a release, each with the next step; empty when nothing does. */
export function obstacles(facts: Facts): string[] {
  return [...decisions(facts), ...preparations(facts)];
}

/** The obstacles that only a person can take away. */
export function decisions(facts: Facts): string[] {
  const { version, changed, tags, changelog, versions, migrations, digests, released } = facts;
  const isVersion = /^\d+\.\d+\.\d+(-[0-9a-z.]+)?$/.test(version);
  const others = Object.entries(versions).filter(([, found]) => found !== version);
  const [heading = '', ...body] = sectionOf(changelog, version);
  return [
    ...(isVersion ? [] : [`${version || 'no version'}: give one such as 0.1.0`]),
    ...(changed.length === 0
      ? []
      : [`the tree is not clean (${changed[0]?.trim()}, …); commit or remove it`]),
    ...(tags.includes(`v${version}`) ? [`v${version} is tagged already; take the next version`] : []),
    ...others.map(([path, found]) => `${path} has the version ${found}; set ${version}`),
    ...(heading === '' ? [`CHANGELOG.md has no section "## ${version} (YYYY-MM-DD)"; write it`] : []),
    ...(heading !== '' && !body.some((line) => line.startsWith('- '))
      ? [`CHANGELOG.md: the section of ${version} is empty; say what changed`]
      : []),
    ...(migrations.every((name, index) => name.startsWith(String(index + 1).padStart(4, '0')))
      ? []
      : [`the migrations are not numbered without a gap: ${migrations.join(', ')}`]),
    ...released
      .filter((line) => !digests.includes(line))
      .map(
        (line) => `${line.split('  ')[1]} was released and is edited or gone; restore it, and add another`,
      ),
  ];
}

/**
 * The obstacles that --prepare takes away. From its release on, a migration is never edited, and databases of the release are
 * upgraded by a test.
 */
function preparations({ version, changelog, digests, released, dumps }: Facts): string[] {
  const [heading = ''] = sectionOf(changelog, version);
  const missing = digests.filter((line) => !released.includes(line));
  return [
    ...(heading !== '' && !/\(\d{4}-\d\d-\d\d\)$/.test(heading)
      ? [`CHANGELOG.md: "${heading}" has no date; --prepare writes "## ${version} (YYYY-MM-DD)"`]
      : []),
    ...(missing.length > 0
      ? [`${missing.length} migrations are not in released.sha256; --prepare adds them`]
      : []),
    ...(dumps.includes(version)
      ? []
      : [`test/upgrade has no database of ${version}; --prepare makes it, on the server of DATABASE_URL`]),
  ];
}

/** The changelog with the date of the version in its heading. */
export function dated(changelog: string, version: string, date: string): string {
  const [heading = ''] = sectionOf(changelog, version);
  return changelog.replace(`${heading}\n`, () => `## ${version} (${date})\n`);
}

/** The heading of a version and the lines below it, up to the next one. */
function sectionOf(changelog: string, version: string): string[] {
  const lines = changelog.split('\n');
  const start = lines.findIndex((line) => line === `## ${version}` || line.startsWith(`## ${version} `));
  if (start < 0) return [];
  const length = lines.slice(start + 1).findIndex((line) => line.startsWith('## '));
  return lines.slice(start, length < 0 ? undefined : start + 1 + length);
}

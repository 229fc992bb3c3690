import { defaultText, otherVariables, settingNames, settings, variablesOf } from './settings.ts';

/** The text of `osad --help`. */
export function help(): string {
  return `osad, the daemon of osa

  osad --dev [--dir DIR] [--adopt] [--port N] [--data DIR] [--database URL] [--config FILE]
             [--no-worker | --worker-only]
      For development; needs nothing installed. Starts an embedded PostgreSQL, and a daemon on 127.0.0.1 that runs
      hooks as processes. Everything is in DIR (.osa), which one daemon uses at a time. As root, the files of
      PostgreSQL are below /var/tmp if its account cannot reach DIR. With OSA_RUNNER=podman, docker or auto, images
      run as well. The settings of the worker, the log, reads and issuers apply too.
        --port N         port to listen on (8470); 0 takes a free one
        --adopt          use a DIR that you copied here yourself; osad refuses one that it did not make for you on this
                         machine, since a cloned repository may have brought it
        --data DIR       directory for uploaded files (<dir>/data)
        --database URL   use this migrated database instead of the embedded one, with the application's role; needs its
                         own --dir, and a --data that all daemons of the database share
  osad [--config FILE] [--no-worker | --worker-only]
      For production: serves the database of DATABASE_URL. Settings come from the environment, or from a YAML file
      (--config or OSA_CONFIG_FILE) under the names in brackets; the environment wins. Defaults are in parentheses.
${settingNames.map(helpOf).join('\n')}
  osad migrate [--database URL]
      Creates or updates the tables with the owner's role of the database (OSA_OWNER_DATABASE_URL or DATABASE_URL), and
      gives the application's role (OSA_APP_ROLE, ${otherVariables.OSA_APP_ROLE?.unset}) its rights.
  osad roles grant|revoke USER ROLE | list [--database URL]
      Roles of people, whose tokens come from the primary issuer. USER is the uuid in \`sub\`; ROLE is PUBLIC,
      DEPOSITOR, CURATOR, ADMIN or SUPERADMIN. The last two pass every gate; DEPOSITOR may deposit, and CURATOR may
      also review. Needs the owner's role of the database.
  osad storage check [--no-read] | gc [--plan] [--grace-hours N]  [--json] [--database URL] [--config FILE]
      check compares the database with the store both ways, and reads all bytes unless --no-read is given: what is
      missing, damaged, unread, unknown to the database or foreign. Its exit code is 1 for the first three.
      gc removes what nothing refers to once it is older than N hours (24), which must be longer than any upload
      takes; --plan only lists it. gc needs the owner's role of the database. Both work while daemons run.
  osad prune [--plan] [--logs-days N] [--events-days N] [--json] [--database URL] [--config FILE]
      Removes what grows and is not history: logs of attempts that ended more than N days ago (OSA_KEEP_LOGS_DAYS),
      notices of finished batches and accepted requests that are older than N days and delivered
      (OSA_KEEP_EVENTS_DAYS), and stored answers of a day ago. Without an age, logs and notices are kept. --plan only
      counts. It works while daemons run, and needs the owner's role of the database.
  osad check [--no-worker | --worker-only] [--config FILE] [--json]
      Looks at what a daemon needs before it starts: settings, database, migrations, role, sessions, clock, data
      directory, runner and issuers. Says what to do for each that is wrong, and ends with 1 then. It changes nothing.
  osad check --restored [--data DIR] [--database URL] [--config FILE] [--json]
      Reads a whole archive and proves that it is what was written: each blob and file that the database names is in its
      store with its bytes, and each history is complete. For a restored backup, before the daemon
      starts. Names what is missing or altered, and ends with 1 then.
  osad keys attestation [--rotate] [--data DIR] [--config FILE]
      Shows the keys that sign receipts; makes the first one. They are in attestation-keys.json of the data directory
      (OSA_DATA_DIR), with mode 0600; all daemons of a database share it. --rotate makes another key that signs from now
      on. Old receipts still hold.
  osad --help | --version

Examples
  osad --dev
  osad --dev --dir /tmp/try --port 0
  OSA_OWNER_DATABASE_URL=postgres://owner@db/osa osad migrate
  OSA_OWNER_DATABASE_URL=postgres://owner@db/osa OSA_DATA_DIR=/var/lib/osa osad storage gc --plan
  OSA_OWNER_DATABASE_URL=postgres://owner@db/osa osad prune --logs-days 90 --events-days 365 --plan
  osad check --restored --data /var/lib/osa --database postgres://owner@db/osa
  DATABASE_URL=postgres://osa_app@db/osa OSA_DOMAIN=data.example.org OSA_DATA_DIR=/var/lib/osa \\
    OSA_ISSUER=ci OSA_PUBLIC_KEY_FILE=/etc/osa/ci.pem osad

Requests carry \`Authorization: Bearer <token>\`. Writes accept an \`Idempotency-Key\`; rollbacks, activations
and releases accept the hook's ETag as \`If-Match\`. /openapi.json lists every route with its scope. /health, /ready
and /metrics are for monitoring.

Exit codes: 0 stopped by a signal · 1 refused or failed · 2 wrong usage or settings
`;
}

/** The content of docs/settings.md. */
export function settingsDocument(): string {
  const rows = settingNames.map((name) =>
    row(variablesOf(name).map(code).join(', '), code(name), defaultText(name), helpText(name)),
  );
  const others = Object.entries(otherVariables).map(([name, { unset, help }]) =>
    row(code(name), '', unset, help),
  );
  return `# Settings of osad

Each setting is a variable of the environment, or a name in the YAML file of \`--config\`. The environment wins. An empty
variable counts as unset; a wrong setting stops the start with its name. \`node scripts/generate-settings.ts\` writes this
file.

| variable | in the file | default | meaning |
|---|---|---|---|
${[...rows, ...others].join('\n')}
`;
}

const width = 120;

/** Variable, name and default on one line; below, the meaning. */
function helpOf(name: string): string {
  const head = `${variablesOf(name).join(', ')} [${name}] (${defaultText(name)})`;
  return [...wrapped(head, '        '), ...wrapped(helpText(name), '            ')].join('\n');
}

function wrapped(text: string, indent: string): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && indent.length + line.length + word.length + 1 > width) {
      lines.push(indent + line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, indent + line];
}

function helpText(name: string): string {
  return settings[name as keyof typeof settings].help;
}

function row(...cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function code(text: string): string {
  return `\`${text}\``;
}

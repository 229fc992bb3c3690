// Writes docs/settings.md from the daemon's table of settings. Run it after a change of that table:
// `node scripts/generate-settings.ts`. A test fails if the committed file differs.
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { settingsDocument } from '@osa/daemon/config/help';

const directory = fileURLToPath(new URL('../docs', import.meta.url));
mkdirSync(directory, { recursive: true });
writeFileSync(`${directory}/settings.md`, settingsDocument());

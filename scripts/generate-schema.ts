// Writes the JSON Schema of convention.yaml, for editors, from the shape that the parser uses. Run it after a
// change of that shape: `node scripts/generate-schema.ts`. A test fails when the committed file differs.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { manifestJsonSchema } from '@osa/core/convention/manifest/shape';
import { execa } from 'execa';

const file = fileURLToPath(new URL('../packages/core/convention.schema.json', import.meta.url));
writeFileSync(file, JSON.stringify(manifestJsonSchema()));
await execa('biome', ['format', '--write', file], { preferLocal: true, stdio: 'inherit' });

import { opendirSync } from 'node:fs';
import { systemCode } from '../../system/error.ts';
import { excerpt } from '../../text.ts';
import { outputFiles } from './files.ts';

const mostNames = 3;

/** The next step for the writer of a hook that answered for no record: `directory` may hold other files. */
export function describeNoAnswer(directory: string): string {
  const others = otherNames(directory);
  const rule =
    'each record needs a line with its id in features.jsonl, rejections.jsonl or errors.jsonl of $OSA_OUT; what it prints is only its log';
  if (others.length === 0) return `it wrote nothing; ${rule}`;
  const names = others.slice(0, mostNames).map((name) => excerpt(name));
  const more = others.length > mostNames ? ' and more' : '';
  return `it wrote ${names.join(', ')}${more}, which osa does not read; ${rule}`;
}

/** The names that osa does not read, one more than are shown at most: a hook may have made any number of them. */
function otherNames(directory: string): string[] {
  const known: readonly string[] = [...outputFiles, 'progress.jsonl'];
  const found: string[] = [];
  try {
    using entries = opendirSync(directory);
    for (let entry = entries.readSync(); entry && found.length <= mostNames; entry = entries.readSync()) {
      if (!known.includes(entry.name)) found.push(entry.name);
    }
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
  }
  return found.sort();
}

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { packDirectory } from '@osa/core/hook/archive/pack';
import { takeMemory } from '../support/containers/images.ts';

/** The three hooks of the workload. `alpha` gives one row a record, `beta` none to three, `gamma` comes and goes. */
export const hookNames = ['alpha', 'beta', 'gamma'] as const;
export type HookName = (typeof hookNames)[number];

/** The value of a record that ends the code of every hook. */
export const deadlyValue = 9;

/** The value of a record that takes more memory than a release gives, and how much that is. */
const greedyValue = 6;
const greedyMebibytes = 40;
/** More than the last attempt of a claim would be given. */
const tooMuchMebibytes = 600;

/** The value of a record that ends the code of some releases: it may be published under one and error under another. */
export const fussyValue = 8;

/**
 * Whether the code with this token ends at a record of that value. The first releases of a run do, and the second do not. No
 * release of `gamma` ends at a fussy one: it begins with the second ones, and nothing would be published under them.
 */
export function diesOf(token: string, value: unknown): boolean {
  const number = Number(token.split('-').at(-1));
  return value === deadlyValue || (value === fussyValue && number % 9 < 5 && !token.startsWith('gamma'));
}

export interface Row {
  readonly ordinal: number;
  /** The oracle: the release as the code that computed the row names it. */
  readonly oracle: string;
  /** The variant in the config that the code was given. */
  readonly config: string;
  /** The argument of the command that started the code; an image's code has none. */
  readonly argument: string;
  readonly source: string;
  readonly value: number;
}

/** The release of a row as the row itself names it. */
export type Making = Pick<Row, 'oracle' | 'config' | 'argument'>;

/** The rows that a release makes of a record; undefined when its code rejects it. */
export function expectedRows(
  hook: string,
  making: Making,
  { source, value }: { readonly source: string; readonly value: number },
): Row[] | undefined {
  if (hook === 'beta' && value < 0) return undefined;
  const count = hook === 'beta' ? value % 4 : 1;
  return Array.from({ length: count }, (_, ordinal) => ({
    ordinal,
    ...making,
    source,
    value: value * 10 + ordinal,
  }));
}

export function featureOf(hook: HookName): object {
  const columns = [
    { name: 'oracle', json_type: 'string', required: true },
    { name: 'config', json_type: 'string', required: true },
    { name: 'argument', json_type: 'string', required: true },
    { name: 'source', json_type: 'string', required: true },
    { name: 'value', json_type: 'integer', required: true },
  ];
  return { cardinality: hook === 'beta' ? 'many' : 'one', columns };
}

/**
 * The code of one release, as a shell script. It holds its own token as a constant, reads the variant in its config, and
 * takes one argument. It writes what is finished before it looks at the next record, and ends at a deadly one. Half-way through its records, in the middle of a line, and before the last byte of its
 * last line, it makes a file and waits until that says how to go on: in a container it has no network by which it could
 * ask. A process says who it is in a file, too.
 */
export function scriptOf(
  hook: HookName,
  token: string,
  { inContainer }: { readonly inContainer: boolean },
): string {
  const row = `printf '%s{"oracle":"${token}","config":"%s","argument":"%s","source":"%s","value":%s}' \
      "$comma" "$config" "$argument" "$id" $((value * 10 + n))`;
  const only = (line: string) => (inContainer ? line : ':');
  return `${inContainer ? ':' : 'echo $$ > $TMPDIR/pid'}
total=$(wc -l < $OSA_IN/records.jsonl); at=0
argument=\${1-}
config=$(cat $OSA_IN/config.json); config=\${config#*'"variant":"'}; config=\${config%%'"'*}
ask() {
  : > $OSA_OUT/at-$1
  while [ ! -s $OSA_OUT/at-$1 ]; do sleep 0.03; done
  read -r order < $OSA_OUT/at-$1
  case $order in
    exit) exit 3 ;; exit-zero) exit 0 ;; stall) exec sleep 600 ;; take-memory) ${takeMemory(tooMuchMebibytes)} ;;
  esac
}
while IFS= read -r line; do
  at=$((at + 1))
  id=\${line#*'"id":"'}; id=\${id%%'"'*}
  value=\${line#*'"value":'}; value=\${value# }; value=\${value%%[!0-9-]*}
  ${hook === 'beta' ? `[ "$value" -lt 0 ] && { printf '{"id":"%s","reason":"negative"}\\n' "$id" >> $OSA_OUT/rejections.jsonl; continue; }` : ''}
  count=${hook === 'beta' ? '$((value % 4))' : '1'}; n=0; comma=
  printf '{"id":"%s","features":[' "$id" >> $OSA_OUT/features.jsonl
  ${only(`[ "$value" = ${greedyValue} ] && ${takeMemory(greedyMebibytes)}`)}
  [ $at = $(((total + 1) / 2)) ] && ask mid-output
  [ "$value" = ${deadlyValue} ] && exit 3
  ${diesOf(token, fussyValue) ? `[ "$value" = ${fussyValue} ] && exit 3` : ''}
  { while [ $n -lt $count ]; do ${row}; comma=,; n=$((n + 1)); done
    printf ']'; } >> $OSA_OUT/features.jsonl
  ${only('[ $at = $total ] && ask last-byte')}
  printf '}\\n' >> $OSA_OUT/features.jsonl
done < $OSA_IN/records.jsonl
exit 0
`;
}

export interface Packed {
  readonly token: string;
  /** `sha256:…` */
  readonly digest: string;
  /** The name of the image; without one it is a directory. */
  readonly image?: string;
  /** The upload of a directory. */
  readonly bytes: Buffer | undefined;
}

export async function packHook(directory: string, hook: HookName, token: string): Promise<Packed> {
  const place = join(directory, token);
  await mkdir(place, { recursive: true });
  await writeFile(join(place, 'hook.sh'), scriptOf(hook, token, { inContainer: false }));
  const { digest, open } = await packDirectory(place);
  return { token, digest, bytes: await buffer(open()) };
}

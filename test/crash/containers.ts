import { buildImage, missing, removeImages, takeMemory } from '../images.ts';
import { startRegistry } from '../registry.ts';
import { type HookName, hookNames, type Packed } from './hooks.ts';

/** What a campaign with containers shares: images that are made once, in a registry of its own. */
export interface Containers extends AsyncDisposable {
  /**
   * The codes of each hook, in the order in which a run releases them; after the last the first comes again. All of
   * a hook's have one name, whose tag is moved to the last. The registry's address is for each run to say.
   */
  readonly images: ReadonlyMap<HookName, readonly Packed[]>;
  readonly registryPort: number;
}

/** What a container gets by its release. Half of what `greedy` takes, so that a record of it needs a second try. */
export const containerMemory = '32m';
/** Above what a hook takes with all that a fault holds up, and below what a recovery may. */
export const containerSeconds = 8;
/** More than the last of its attempts would be given. */
const tooMuchMebibytes = 600;
/** The value of a record that takes more memory than a release gives. */
const greedyValue = 6;
const codesPerHook = 6;

export async function makeContainers(): Promise<Containers> {
  if (missing.length > 0) throw new Error(`containers need ${missing.join(', ')}`);
  await using making = new AsyncDisposableStack();
  const registry = await startRegistry();
  making.defer(() => registry.close());
  making.defer(removeImages);
  const images = new Map<HookName, Packed[]>();
  for (const hook of hookNames) {
    const codes: Packed[] = [];
    for (let n = 1; n <= codesPerHook; n += 1) {
      const token = `${hook}-${n}`;
      const { digest } = await registry.push(await buildImage({ script: scriptOf(hook, token) }), hook);
      codes.push({ token, digest, image: hook, bytes: undefined });
    }
    images.set(hook, codes);
  }
  const made = making.move();
  const registryPort = Number(registry.host.split(':').at(-1));
  return { images, registryPort, [Symbol.asyncDispose]: () => made[Symbol.asyncDispose]() };
}

/**
 * The same rows as the code of a directory gives; what is finished is written before the next record is looked at, and
 * memory is asked for in the middle of a line.
 * Half-way through its records, and before the last byte of its last line, it makes a file and waits until that says
 * how to go on: it has no network by which it could ask.
 */
function scriptOf(hook: HookName, token: string): string {
  const row = `printf '%s{"oracle":"${token}","source":"%s","value":%s}' "$comma" "$id" $((value * 10 + n))`;
  return `total=$(wc -l < $OSA_IN/records.jsonl); at=0
ask() {
  : > $OSA_OUT/at-$1
  while [ ! -s $OSA_OUT/at-$1 ]; do sleep 0.03; done
  read -r order < $OSA_OUT/at-$1
  case $order in
    exit) exit 3 ;; exit-zero) exit 0 ;; stall) sleep 600 ;; take-memory) ${takeMemory(tooMuchMebibytes)} ;;
  esac
}
while IFS= read -r line; do
  at=$((at + 1))
  id=\${line#*'"id":"'}; id=\${id%%'"'*}
  value=\${line#*'"value":'}; value=\${value# }; value=\${value%%[!0-9-]*}
  ${hook === 'beta' ? `[ "$value" -lt 0 ] && { printf '{"id":"%s","reason":"negative"}\\n' "$id" >> $OSA_OUT/rejections.jsonl; continue; }` : ''}
  count=${hook === 'beta' ? '$((value % 4))' : '1'}; n=0; comma=
  printf '{"id":"%s","features":[' "$id" >> $OSA_OUT/features.jsonl
  [ "$value" = ${greedyValue} ] && ${takeMemory(40)}
  [ $at = $(((total + 1) / 2)) ] && ask mid-output
  { while [ $n -lt $count ]; do ${row}; comma=,; n=$((n + 1)); done
    printf ']'; } >> $OSA_OUT/features.jsonl
  [ $at = $total ] && ask last-byte
  printf '}\\n' >> $OSA_OUT/features.jsonl
done < $OSA_IN/records.jsonl
exit 0`;
}

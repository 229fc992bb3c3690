/**
 * Whether a molecule can look like a model: two atoms are never nearer than `shortest_a` of the config, in Å. The shortest bond
 * of a protein between two atoms that models name is C=O with 1.2 Å. One row a record, or a rejection with its reason.
 */
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { atomsOf, ModelFlaw, modelOf, readLines, toLine } from './mmcif.mjs';

/** Every pair is compared; larger models are for larger tools. */
const mostAtoms = 5_000;

await run(process.env.OSA_IN, process.env.OSA_FILES, process.env.OSA_OUT);

async function run(input, files, output) {
  const { shortest_a: shortest } = JSON.parse(await readFile(join(input, 'config.json'), 'utf8'));
  if (!(shortest > 0))
    throw new Error(`config: shortest_a is ${JSON.stringify(shortest)}, it must be a distance in Å`);
  await using features = await open(join(output, 'features.jsonl'), 'w');
  await using rejections = await open(join(output, 'rejections.jsonl'), 'w');
  for await (const line of readLines(join(input, 'records.jsonl'))) {
    const { id } = JSON.parse(line);
    const found = check(await modelOf(join(files, id)), shortest);
    if (typeof found === 'string') await rejections.appendFile(toLine({ id, reason: found }));
    else await features.appendFile(toLine({ id, features: [found] }));
  }
}

/** The row, or the reason of the rejection. */
function check(model, shortest) {
  const atoms = readable(model);
  if (typeof atoms === 'string') return atoms;
  if (atoms.length < 2) return `${model.name} has ${atoms.length} atoms; a model has two or more`;
  if (atoms.length > mostAtoms)
    return `${model.name} has ${atoms.length} atoms; at most ${mostAtoms} are checked`;
  const { distance, pair } = closest(atoms);
  const names = pair.map(({ chain, number, atom }) => `${chain}/${number}/${atom}`);
  const angstroms = Math.round(distance * 1000) / 1000;
  if (distance >= shortest) return { closest_a: angstroms, closest_atoms: names.join(' ') };
  return (
    `atoms ${names.join(' and ')} are ${angstroms} Å apart, and atoms are never nearer than ${shortest} Å; ` +
    `look for a duplicate or a wrong coordinate in ${model.name}`
  );
}

/** The atoms, or why the depositor's file has none. */
function readable(model) {
  try {
    return atomsOf(model);
  } catch (error) {
    if (error instanceof ModelFlaw) return error.message;
    throw error;
  }
}

function closest(atoms) {
  let best = { distance: Number.POSITIVE_INFINITY, pair: [] };
  for (const [index, one] of atoms.entries()) {
    for (const other of atoms.slice(index + 1)) {
      const distance = Math.hypot(one.x - other.x, one.y - other.y, one.z - other.z);
      if (distance < best.distance) best = { distance, pair: [one, other] };
    }
  }
  return best;
}

/**
 * Length and mass of each chain of a model. One row a chain, in the order of the names.
 *
 *   mass   = sum of the residues' average masses + one water
 *
 * A residue counts once, however many of its atoms are in the model. Its mass is that of the amino acid within a chain, without
 * the water that the bond costs, from the standard atomic weights (IUPAC 2021). Waters and other small molecules are no
 * residues (group_PDB HETATM). A residue that is none of the twenty has no mass here: the record is rejected and names it.
 */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { atomsOf, ModelFlaw, modelOf, readLines, toLine } from './mmcif.mjs';

const waterDa = 18.015;
const residueDa = {
  ...{ GLY: 57.051, ALA: 71.078, SER: 87.077, PRO: 97.115, VAL: 99.131, THR: 101.104, CYS: 103.143 },
  ...{ LEU: 113.158, ILE: 113.158, ASN: 114.103, ASP: 115.087, GLN: 128.129, LYS: 128.172, GLU: 129.114 },
  ...{ MET: 131.196, HIS: 137.139, PHE: 147.174, ARG: 156.186, TYR: 163.173, TRP: 186.21 },
};

await run(process.env.OSA_IN, process.env.OSA_FILES, process.env.OSA_OUT);

async function run(input, files, output) {
  await using features = await open(join(output, 'features.jsonl'), 'w');
  await using rejections = await open(join(output, 'rejections.jsonl'), 'w');
  for await (const line of readLines(join(input, 'records.jsonl'))) {
    const { id } = JSON.parse(line);
    const rows = rowsOf(await modelOf(join(files, id)));
    if (typeof rows === 'string') await rejections.appendFile(toLine({ id, reason: rows }));
    else await features.appendFile(toLine({ id, features: rows }));
  }
}

/** The rows, or the reason why the depositor's file has none. */
function rowsOf(model) {
  try {
    return toRows(atomsOf(model));
  } catch (error) {
    if (error instanceof ModelFlaw) return error.message;
    throw error;
  }
}

function toRows(atoms) {
  const chains = Map.groupBy(
    atoms.filter(({ group }) => group === 'ATOM'),
    ({ chain }) => chain,
  );
  return [...chains].sort(([left], [right]) => (left < right ? -1 : 1)).map(toRow);
}

function toRow([chain, atoms]) {
  const residues = new Map(atoms.map(({ residue, number }) => [number, residue]));
  const unknown = [...residues].find(([, residue]) => !Object.hasOwn(residueDa, residue));
  if (unknown)
    throw new ModelFlaw(
      `residue ${unknown[0]} of chain ${chain} is ${unknown[1]}, which is no standard amino acid`,
    );
  const mass = [...residues.values()].reduce((sum, residue) => sum + residueDa[residue], waterDa);
  return { chain, residues: residues.size, atoms: atoms.length, mass_da: Math.round(mass * 1000) / 1000 };
}

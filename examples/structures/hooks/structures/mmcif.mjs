/**
 * Reads the atoms of a file in mmCIF, the format of the Protein Data Bank: STAR text (Hall 1991) with the names of the PDBx
 * dictionary. Only the table `_atom_site` is read.
 */
import { createReadStream } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The one file of a record. */
export async function modelOf(directory) {
  const names = (await readdir(directory)).sort();
  const name = names.find((one) => one.endsWith('.cif'));
  if (name === undefined)
    throw new Error(`there is no .cif file; the record has ${names.join(', ') || 'no files'}`);
  return { name, text: await readFile(join(directory, name), 'utf8') };
}

/** A flaw of a file, in words for the person who sent it. */
export class ModelFlaw extends Error {}

const columns = {
  group: 'group_PDB',
  atom: 'label_atom_id',
  residue: 'label_comp_id',
  chain: 'auth_asym_id',
  number: 'auth_seq_id',
  x: 'Cartn_x',
  y: 'Cartn_y',
  z: 'Cartn_z',
};

/** The atoms, in the order of the file. Throws a ModelFlaw for a file that has none. */
export function atomsOf({ name, text }) {
  const { headers, rows } = atomSite([...tokens(text)]);
  if (headers.length === 0)
    throw new ModelFlaw(`${name} has no table _atom_site, so it is no model in mmCIF`);
  const places = Object.entries(columns).map(([key, column]) => [key, headers.indexOf(column)]);
  const missing = places.filter(([, place]) => place === -1).map(([key]) => `_atom_site.${columns[key]}`);
  if (missing.length > 0) throw new ModelFlaw(`${name}: its table _atom_site has no ${missing.join(', ')}`);
  return rows.map((row, index) => {
    const atom = Object.fromEntries(places.map(([key, place]) => [key, row[place]]));
    const [x, y, z] = [atom.x, atom.y, atom.z].map(Number);
    if (row.length < headers.length || ![x, y, z].every(Number.isFinite)) {
      throw new ModelFlaw(
        `${name}: atom ${index + 1} has no position, its row is cut or holds something else than numbers`,
      );
    }
    return { ...atom, x, y, z };
  });
}

function atomSite(all) {
  const first = all.findIndex(({ text, isQuoted }) => !isQuoted && text.startsWith('_atom_site.'));
  const after = all.slice(Math.max(first, 0));
  const count = after.findIndex(({ text, isQuoted }) => isQuoted || !text.startsWith('_atom_site.'));
  if (first === -1 || count === -1) return { headers: [], rows: [] };
  const headers = after.slice(0, count).map(({ text }) => text.slice('_atom_site.'.length));
  const end = after.findIndex((token, index) => index >= count && endsTable(token));
  const values = after.slice(count, end === -1 ? undefined : end).map(({ text }) => text);
  const rows = Array.from({ length: Math.ceil(values.length / headers.length) }, (_, index) =>
    values.slice(index * headers.length, (index + 1) * headers.length),
  );
  return { headers, rows };
}

function endsTable({ text, isQuoted }) {
  return !isQuoted && (text.startsWith('_') || /^(loop_|data_.*|save_.*)$/i.test(text));
}

/** Words, quoted texts, and texts between lines that begin with a semicolon. */
function* tokens(text) {
  const token = /^;[\s\S]*?^;|#.*|'(?:[^'\n]|'(?=\S))*'(?=\s|$)|"(?:[^"\n]|"(?=\S))*"(?=\s|$)|\S+/gm;
  for (const [found] of text.matchAll(token)) {
    if (found.startsWith('#')) continue;
    const isQuoted = /^['";]/.test(found);
    yield { isQuoted, text: isQuoted ? found.slice(1, -1) : found };
  }
}

/** Lines end at a line feed only: `node:readline` also cuts at U+2028, which may stand in a JSON string. */
export async function* readLines(path) {
  let rest = '';
  for await (const chunk of createReadStream(path, 'utf8')) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop();
    yield* lines;
  }
  if (rest !== '') yield rest;
}

export function toLine(value) {
  return `${JSON.stringify(value)}\n`;
}

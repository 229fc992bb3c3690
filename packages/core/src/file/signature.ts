const bytes = (hex: string) => Buffer.from(hex, 'hex');
const text = (start: string) => Buffer.from(start, 'latin1');

/** How files of a type begin, by the end of their names; one of the signatures must be there. */
const signatures: Readonly<Record<string, readonly Buffer[]>> = {
  gz: [bytes('1f8b')],
  tgz: [bytes('1f8b')],
  bam: [bytes('1f8b')],
  bz2: [text('BZh')],
  xz: [bytes('fd377a585a00')],
  zst: [bytes('28b52ffd')],
  zip: [bytes('504b0304'), bytes('504b0506')],
  xlsx: [bytes('504b0304')],
  docx: [bytes('504b0304')],
  '7z': [bytes('377abcaf271c')],
  png: [bytes('89504e470d0a1a0a')],
  jpg: [bytes('ffd8ff')],
  jpeg: [bytes('ffd8ff')],
  gif: [text('GIF8')],
  tif: [bytes('49492a00'), bytes('4d4d002a'), bytes('49492b00'), bytes('4d4d002b')],
  tiff: [bytes('49492a00'), bytes('4d4d002a'), bytes('49492b00'), bytes('4d4d002b')],
  pdf: [text('%PDF-')],
  h5: [bytes('894844460d0a1a0a')],
  hdf5: [bytes('894844460d0a1a0a')],
  nc: [text('CDF'), bytes('894844460d0a1a0a')],
  parquet: [text('PAR1')],
  npy: [bytes('934e554d5059')],
  fits: [text('SIMPLE  =')],
  cram: [text('CRAM')],
  sqlite: [text('SQLite format 3\0')],
};

/** Types that are text: they have no byte 0, except in UTF-16, which begins with its mark. */
const texts: ReadonlySet<string> = new Set(
  'txt csv tsv json jsonl ndjson geojson xml html md yaml yml cif mmcif pdb xyz sdf mol fasta fa fastq fq vcf gff bed'.split(
    ' ',
  ),
);

/** Why the first bytes of a file are not those of the type that its name says; undefined when nothing is known. */
export function flawOfType(name: string, head: Uint8Array): string | undefined {
  const type = /\.([^.]+)$/.exec(name.toLowerCase())?.[1];
  if (type === undefined) return undefined;
  const start = Buffer.from(head);
  const known = Object.hasOwn(signatures, type) ? signatures[type] : undefined;
  if (known && !known.some((signature) => start.subarray(0, signature.length).equals(signature))) {
    return `does not begin as a .${type} file does`;
  }
  const isUtf16 = [bytes('fffe'), bytes('feff')].some((mark) => start.subarray(0, 2).equals(mark));
  if (texts.has(type) && start.includes(0) && !isUtf16) return `is not text, as a .${type} file is`;
  return undefined;
}

import { digestText } from '@osa/core/file/file';
import { flawOfName } from '@osa/core/file/name';
import { problemOfFiles, problemOfStored, readFiles } from '@osa/core/file/rules';
import { flawOfType } from '@osa/core/file/signature';
import { describe, expect, test } from 'vitest';

const sha256 = 'a'.repeat(64);
const file = (name: string, size = 10) => ({ name, sha256, size });
const rules = { accepted_types: ['.csv', 'PNG'], min_count: 1, max_count: 2, max_file_size: 100 };

describe('the name of a file', () => {
  test.each(['a.csv', 'Résumé 1.pdf', '…', '.hidden', 'ø'.repeat(127)])('may be %j', (name) => {
    expect(flawOfName(name)).toBeUndefined();
  });
  test.each(['', '.', '..', 'a/b', '../x', 'a\\b', 'a\nb', 'a\0b', '\u0085', '\ud800', 'ø'.repeat(128)])(
    'is not %j',
    (name) => {
      expect(flawOfName(name)).toBeDefined();
    },
  );
});

describe('the files of a record', () => {
  test.each([undefined, null, []])('may be none: %j', (value) => {
    expect(readFiles(value)).toEqual({ files: [] });
  });
  test.each(['-rf', '.hidden', 'a..', 'a b.csv', '\u2764\ufe0f.csv', '\u05d0\u05d1.csv'])(
    'may be named %j',
    (name) => {
      expect(readFiles([file(name)])).toEqual({ files: [file(name)] });
    },
  );
  test('are read with name, digest and size', () => {
    expect(readFiles([file('b.csv'), file('a.csv')])).toEqual({ files: [file('b.csv'), file('a.csv')] });
  });
  test.each([
    ['not a list', 'x', 'files is not a list'],
    ['a path', ['x.csv'], 'files[0] is not an object'],
    ['a link out', [file('../x')], 'files[0] has the name "../x", which has a slash'],
    ['without a digest', [{ name: 'x', size: 1 }], 'has no sha256'],
    ['as ingesters write them', [{ name: 'x', relative_path: 'r/x', size_mb: 1 }], 'has no sha256'],
    ['of half a byte', [{ ...file('x'), size: 0.5 }], 'has no size'],
    ['of no size', [{ ...file('x'), size: -1 }], 'has no size'],
    ['with more', [{ ...file('x'), path: '/etc' }], 'unknown member "path"'],
    ['one by case', [file('A.csv'), file('a.CSV')], '"A.csv" and "a.CSV" are the same name'],
    ['of one name', [file('a.csv'), file('a.csv')], 'two have the name "a.csv"; rename one'],
    ['one by composition', [file('\u00e9'), file('e\u0301')], 'are the same name'],
    ['too many', Array.from({ length: 1_001 }, (_, n) => file(`${n}`)), '1000 at most'],
  ])('are refused when they are %s', (_what, value, why) => {
    expect(readFiles(value).problem).toContain(why);
  });
  test.each(['\u202e', '\u200b', '\ufeff', '\u2066', '\u00ad', '\u2028', '\u{e0041}'])(
    'are refused when a name hides %j',
    (hidden) => {
      const code = hidden.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0');
      const why = `the invisible character U+${code}; rename the file`;
      expect(readFiles([file(`a${hidden}b.csv`)]).problem).toContain(why);
    },
  );
  test.each([' a.csv', 'a.csv ', 'a.csv\u00a0', '\u3000a.csv'])(
    'are refused when one is named %j',
    (name) => {
      expect(readFiles([file(name)]).problem).toContain('begins or ends with a blank');
    },
  );
  test('are one list for one digest, whatever their order was', () => {
    const [a, b] = [file('a'), file('b')];
    expect(digestText([b, a])).toBe(digestText([a, b]));
    expect(digestText([])).toBe('[]');
    expect(digestText([a])).toBe(`[{"name":"a","sha256":"${sha256}"}]`);
  });
});

describe('the rules of a convention', () => {
  test.each([['a.csv'], ['a.CSV', 'b.png']])('take %j', (...names) => {
    expect(
      problemOfFiles(
        'id',
        names.map((name) => file(name)),
        rules,
      ),
    ).toBeUndefined();
  });
  test.each([
    [[], '1 at least'],
    [['a.csv', 'b.csv', 'c.csv'], '2 at most'],
    [['a.csv.exe'], 'takes .csv, .png'],
    [['csv'], 'takes .csv, .png'],
  ])('refuse %j', (names, why) => {
    expect(
      problemOfFiles(
        'id',
        names.map((name) => file(name)),
        rules,
      ),
    ).toContain(why);
  });
  test('bound the size, if they say one', () => {
    expect(problemOfFiles('id', [file('a.csv', 101)], rules)).toContain('101 bytes');
    expect(problemOfFiles('id', [file('a.csv', 101)], { ...rules, max_file_size: 0 })).toBeUndefined();
  });
  test('want a source id that is the name of a directory, when there are files', () => {
    expect(problemOfFiles('a/b', [file('a.csv')], rules)).toContain('source_id has a slash');
    expect(problemOfFiles('a/b', [], rules)).toContain('source_id has a slash');
    expect(problemOfFiles('a/b', [], { ...rules, min_count: 0 })).toBeUndefined();
  });
});

describe('stored bytes', () => {
  const stored = new Map([[sha256, { size: 10, head: Buffer.from('1,2,3') }]]);
  test('are there and as the record says', () => {
    expect(problemOfStored([file('a.csv')], stored)).toBeUndefined();
    expect(problemOfStored([file('a.csv')], new Map())).toContain('upload it first');
    expect(problemOfStored([file('a.csv', 11)], stored)).toContain('it has 10 bytes');
    expect(problemOfStored([file('a.png')], stored)).toContain('does not begin as a .png file does');
  });
  test.each([
    ['a.png', '89504e470d0a1a0a00'],
    ['a.tar.gz', '1f8b08'],
    ['a.csv', '312c32'],
    ['a.csv', 'fffe31002c00'],
    ['a.unknown', '00'],
    ['png', '00'],
    ['a.constructor', '00'],
  ])('of %s may begin with %s', (name, hex) => {
    expect(flawOfType(name, Buffer.from(hex, 'hex'))).toBeUndefined();
  });
  test.each([
    ['a.png', '474946'],
    ['a.PDF', '7f454c46'],
    ['a.h5', ''],
    ['a.csv', '4d5a0000'],
    ['a.html', '3c0000'],
  ])('of %s may not begin with %s', (name, hex) => {
    expect(flawOfType(name, Buffer.from(hex, 'hex'))).toBeDefined();
  });
});

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
  test.each([
    ['Persian', '\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645.csv'],
    ['Hindi', '\u0939\u093f\u0928\u094d\u0926\u0940.csv'],
    ['Hindi that shows a half letter', '\u0915\u094d\u200d\u0937.csv'],
    ['Malayalam of before 2008', '\u0d05\u0d35\u0d28\u0d4d\u200d.csv'],
    ['Japanese with the variant of a letter', '\u845b\u{e0100}.csv'],
    ['an emoji of several', '\u{1f469}\u200d\u{1f52c}.csv'],
    ['the flag of Scotland', '\u{1f3f4}\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}.csv'],
  ])('may be named in %s', (_what, name) => {
    expect(readFiles([file(name)])).toEqual({ files: [file(name)] });
  });
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
    [
      'one but for a joiner',
      [file('\u0645\u06cc\u200c\u062e\u0648'), file('\u0645\u06cc\u062e\u0648')],
      'are the same name',
    ],
    ['one but for the kind of a blank', [file('a b'), file('a\u00a0b')], 'are the same name'],
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
  test.each([
    ['between Latin letters', 'a\u200db.csv'],
    ['before no letter', '\u0645\u06cc\u200c.csv'],
    ['twice', '\u0645\u200c\u200c\u06cc.csv'],
    ['at the end of an emoji', '\u{1f469}\u200d.csv'],
    ['that is a variant of a Latin letter', 'a\ufe0f.csv'],
    ['that counts as a letter', 'a\u3164.csv'],
    ['that counts as a mark', 'a\u034f.csv'],
    ['of Braille', 'a\u2800.csv'],
  ])('are refused when a name hides a character %s', (_where, name) => {
    expect(readFiles([file(name)]).problem).toContain('the invisible character U+');
  });
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

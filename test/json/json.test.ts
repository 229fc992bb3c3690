import { OsaError } from '@osa/core/error';
import { decodeUtf8, parseJson } from '@osa/core/json/parse';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { busyFor } from '../support/busy.ts';
import { accepted, refused } from '../support/fixtures/json-texts.ts';

function refusal(input: Uint8Array | string, options?: Parameters<typeof parseJson>[1]): OsaError {
  try {
    parseJson(input, options);
  } catch (error) {
    if (error instanceof OsaError) return error;
    throw error;
  }
  throw new Error(`accepted: ${String(input).slice(0, 100)}`);
}

describe('the grammar', () => {
  test.each(accepted)('accepts %j', (text) => {
    expect(parseJson(text)).toEqual(JSON.parse(text));
    expect(parseJson(Buffer.from(text))).toEqual(JSON.parse(text));
  });

  test.each(refused)('refuses %j', (text) => {
    const error = refusal(text);
    expect(error.code).toBe('malformed');
    expect(error.details.offset).toBeGreaterThanOrEqual(0);
    expect(error.details.offset).toBeLessThanOrEqual(Buffer.byteLength(text));
    expect(error.message).toMatch(/^at byte \d+: /);
  });

  test('reads what JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: 'binary' }), fc.constantFrom(0, 2), (value, space) => {
        const text = JSON.stringify(value, null, space);
        fc.pre(!text.includes('\\u0000'));
        expect(parseJson(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  test('never accepts what JSON.parse refuses, nor reads it differently', () => {
    const pieces = [
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"',
      '"a"',
      '"b"',
      '1',
      '-',
      '.',
      'e',
      '0',
      'null',
      ' ',
      '\\u00e9',
    ];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 8 }), (parts) => {
        const text = parts.join('');
        let value: unknown;
        try {
          value = parseJson(text);
        } catch (error) {
          expect(error).toBeInstanceOf(OsaError);
          return;
        }
        expect(value).toEqual(JSON.parse(text));
      }),
      { numRuns: 5_000 },
    );
  });
});

describe('values that JSON allows and osa cannot store', () => {
  test('names the place and the key', () => {
    const error = refusal('{"digest": 1, "é": 2, "digest": 3}');
    expect(error.message).toBe('at byte 23: duplicate key "digest"');
    expect(error.details.offset).toBe(23);
  });

  test('cuts and escapes what it shows', () => {
    const key = `\\u001b[31m\\u202e${'x'.repeat(500)}`;
    const { message } = refusal(`{"${key}":1,"${key}":1}`);
    expect(message.length).toBeLessThan(150);
    expect(message).toContain('\\u001b[31m\\u202e');
  });

  test.each([
    ['0xff 0xfe', [0xff, 0xfe], 0],
    ['an overlong form', [0x22, 0xc0, 0xaf, 0x22], 1],
    ['a surrogate', [0x22, 0x61, 0xed, 0xa0, 0x80, 0x22], 3],
    ['a sequence that is cut', [0x22, 0xe2, 0x82], 3],
    ['a lone continuation', [0x80], 0],
  ])('bytes that are not UTF-8: %s', (_, bytes, offset) => {
    expect(refusal(Uint8Array.from(bytes)).details.offset).toBe(offset);
    expect(() => decodeUtf8(Uint8Array.from(bytes))).toThrow(OsaError);
  });

  test('a replacement character that was sent stays', () => {
    expect(parseJson(Buffer.from('"\ufffd"'))).toBe('\ufffd');
  });

  test('a lone surrogate in a string that was never bytes', () => {
    expect(refusal('["a", "\ud800"]').details.offset).toBe(7);
  });

  test('nesting, at the bound and over it', () => {
    const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);
    expect(parseJson(nested(64))).toBeInstanceOf(Array);
    expect(refusal(nested(65)).message).toContain('deeper than 64');
    expect(refusal('['.repeat(1_000_000)).message).toContain('deeper than 64');
    expect(refusal('{"a":'.repeat(1_000_000)).message).toContain('deeper than 64');
    expect(refusal('[[]]', { maxDepth: 1 }).code).toBe('malformed');
    expect(parseJson('[[],[],[[]]]', { maxDepth: 3 })).toEqual([[], [], [[]]]);
  });

  test('long input in linear time', () => {
    const spent = busyFor(() => {
      expect(refusal(`{${'"a":1,'.repeat(1)}"b":"${'\\n'.repeat(2_000_000)}`).code).toBe('malformed');
      expect(refusal(`[${'9'.repeat(4_000_000)}]`).message).toContain('4000000 characters');
      expect(refusal(`${' '.repeat(4_000_000)}x`).code).toBe('malformed');
      expect(refusal(`[${'{},'.repeat(1_000_000)}`).code).toBe('malformed');
    });
    expect(spent).toBeLessThan(3_000);
  });
});

describe('objects', () => {
  test('__proto__ is an own property, and nobody inherits it', () => {
    const value = parseJson('{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}');
    expect(Object.keys(value as object)).toEqual(['__proto__', 'constructor']);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect('polluted' in {}).toBe(false);
    expect((value as { polluted?: unknown }).polluted).toBeUndefined();
  });

  test('__proto__ is refused where asked, at any depth and however it is spelled', () => {
    expect(parseJson('{"constructor":1}', { refuseProto: true })).toEqual({ constructor: 1 });
    for (const text of ['{"__proto__":1}', '[{"a":{"__proto__":1}}]', '{"\\u005f_proto__":1}']) {
      expect(refusal(text, { refuseProto: true }).message).toContain('__proto__');
    }
  });
});

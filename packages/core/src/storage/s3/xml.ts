/** The text of each element `name` in an answer of S3, in order. The elements that are read here hold no others of their name. */
export function texts(xml: string, name: string): string[] {
  const pattern = new RegExp(`<${name}(?:\\s[^>]*)?>([^]*?)</${name}>`, 'g');
  return [...xml.matchAll(pattern)].map(([, text = '']) => text);
}

/** The text of the first element `name`, with its entities resolved. */
export function text(xml: string, name: string): string | undefined {
  return texts(xml, name)[0]?.replace(/&(lt|gt|amp|quot|apos|#\d{1,7}|#x[0-9a-f]{1,6});/gi, (entity, inner) =>
    resolved(entity, String(inner).toLowerCase()),
  );
}

const named: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

function resolved(entity: string, inner: string): string {
  if (!inner.startsWith('#')) return named[inner] ?? entity;
  const code = inner.startsWith('#x') ? Number.parseInt(inner.slice(2), 16) : Number(inner.slice(1));
  return code <= 0x10ffff ? String.fromCodePoint(code) : entity;
}

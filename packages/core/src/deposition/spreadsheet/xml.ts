import { SaxesParser } from 'saxes';
import { OsaError } from '../../error.ts';
import { noWorkbook } from './zip.ts';

export interface Handlers {
  /** The attributes by name, without the prefixes of namespaces; `stop` ends the reading. */
  open?(name: string, attributes: Readonly<Record<string, string>>, stop: () => void): void;
  close?(name: string, stop: () => void): void;
  text?(text: string): void;
}

const deepest = 64;

/**
 * Reads the XML of a part until its end, or until a handler stops it. No declaration of types is accepted, so a text
 * means what it says and there are no entities but the five of XML.
 *
 * @throws OsaError `invalid`
 */
export async function readXml(
  pieces: AsyncIterable<string>,
  part: string,
  handlers: Handlers,
): Promise<void> {
  const parser = new SaxesParser();
  let stopped = false;
  let depth = 0;
  const stop = () => {
    stopped = true;
  };
  const local = (name: string) => name.slice(name.indexOf(':') + 1);
  parser.on('error', (cause) => {
    throw noWorkbook(`its part ${part} is not well-formed`, cause);
  });
  parser.on('doctype', () => {
    throw noWorkbook(`its part ${part} declares a document type`);
  });
  parser.on('opentag', ({ name, attributes }) => {
    depth += 1;
    if (depth > deepest) throw noWorkbook(`its part ${part} is nested too deep`);
    const named = Object.entries(attributes).map(([key, value]) => [local(key), String(value)] as const);
    if (!stopped) handlers.open?.(local(name), Object.fromEntries(named), stop);
  });
  parser.on('closetag', ({ name }) => {
    depth -= 1;
    if (!stopped) handlers.close?.(local(name), stop);
  });
  const text = (piece: string) => {
    if (!stopped) handlers.text?.(piece);
  };
  parser.on('text', text);
  parser.on('cdata', text);
  try {
    for await (const piece of pieces) {
      parser.write(piece);
      if (stopped) return;
    }
    parser.close();
  } catch (cause) {
    throw cause instanceof OsaError ? cause : noWorkbook(`its part ${part} is not well-formed`, cause);
  }
}

import { createHash } from 'node:crypto';
import type { FastifyReply } from 'fastify';

/** The pages of a login: text and forms, without scripts, for no other site to show or read. */

export interface Page {
  readonly title: string;
  /** Safe HTML: made with `html`. */
  readonly body: string;
  /** Where the browser goes on to by itself. */
  readonly onTo?: URL;
}

/** The texts between the tags are escaped. */
export function html(strings: TemplateStringsArray, ...values: readonly string[]): string {
  return strings.reduce((text, piece, index) => `${text}${escaped(values[index - 1] ?? '')}${piece}`);
}

export function showPage(reply: FastifyReply, { title, body, onTo }: Page): string {
  reply.type('text/html; charset=utf-8').headers({
    'content-security-policy': `default-src 'none'; style-src 'sha256-${styleDigest}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`,
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'cross-origin-opener-policy': 'same-origin',
  });
  if (onTo) reply.header('refresh', `0; url=${onTo.href}`);
  return [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
    html`<title>${title}</title>`,
    `<style>${style}</style></head>`,
    `<body><h1>${html`${title}`}</h1>${body}</body></html>`,
    '',
  ].join('\n');
}

const style =
  'body{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:4rem auto;padding:0 1rem}' +
  'input,button{font:inherit;padding:.4rem .8rem}code{font-size:1.3em;letter-spacing:.1em}';
const styleDigest = createHash('sha256').update(style).digest('base64');

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? '');
}

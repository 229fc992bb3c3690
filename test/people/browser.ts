/** A browser without scripts: it keeps cookies, follows redirects and `Refresh`, and sends forms. */
export interface Seen {
  readonly url: URL;
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

export interface Browser {
  open(url: string | URL): Promise<Seen>;
  /** Sends the form of a page, with these values over its own. */
  submit(page: Seen, values: Readonly<Record<string, string>>): Promise<Seen>;
  readonly cookies: Map<string, string>;
  /** Every address that it went to. */
  readonly visited: string[];
  /** Stops before an address, and shows the page that leads there. */
  stopBefore(place: RegExp | undefined): void;
}

export function browser(): Browser {
  const cookies = new Map<string, string>();
  const visited: string[] = [];
  let stop: RegExp | undefined;
  const go = async (url: URL, body?: URLSearchParams): Promise<Seen> => {
    for (let at = url, sent = body, steps = 0; steps < 20; steps += 1) {
      visited.push(at.href);
      const headers = {
        accept: 'text/html,*/*',
        cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; '),
      };
      const answer = await fetch(at, {
        redirect: 'manual',
        headers,
        ...(sent && { method: 'POST', body: sent }),
      });
      for (const line of answer.headers.getSetCookie()) keep(line);
      const seen = { url: at, status: answer.status, headers: answer.headers, text: await answer.text() };
      const onTo = answer.headers.get('location') ?? answer.headers.get('refresh')?.replace('0; url=', '');
      if (!onTo || stop?.test(onTo)) return seen;
      [at, sent] = [new URL(onTo, at), undefined];
    }
    throw new Error(`goes round in circles: ${visited.join(' ')}`);
  };
  const keep = (line: string) => {
    const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
    if (value === '' || /max-age=0|expires=thu, 01 jan 1970/i.test(line)) cookies.delete(name);
    else cookies.set(name, value);
  };
  return {
    cookies,
    visited,
    stopBefore(place) {
      stop = place;
    },
    open: (url) => go(new URL(url)),
    submit(page, values) {
      const [, action = ''] = /<form[^>]* action="([^"]*)"/.exec(page.text) ?? [];
      const hidden = [...page.text.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)];
      const own = Object.fromEntries(hidden.map(([, name = '', value = '']) => [name, value]));
      return go(new URL(action, page.url), new URLSearchParams({ ...own, ...values }));
    },
  };
}

/** Goes from the page with the code through the provider to the question whether to allow. */
export async function answerAs(person: string, page: string, own: Browser = browser()): Promise<Seen> {
  const first = await own.open(page);
  const [, code = ''] = /name="user_code" value="([^"]*)"/.exec(first.text) ?? [];
  const login = await own.submit(first, { user_code: code });
  if (login.url.pathname.includes('/auth/device/')) return login;
  const consent = await own.submit(login, { prompt: 'login', login: person, password: 'any' });
  return own.submit(consent, { prompt: 'consent' });
}

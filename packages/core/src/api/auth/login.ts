import { z } from 'zod';
import { open, route } from '../route.ts';

const Tokens = z.object({
  access_token: z.string(),
  /** Good for one use; its answer holds the next one. */
  refresh_token: z.string(),
  token_type: z.literal('Bearer'),
  /** Seconds. */
  expires_in: z.int(),
});

const refreshBody = z.strictObject({ refresh_token: z.string().min(1).max(200) });

/** The device flow (RFC 8628), at the places where clients of the existing archive look for it. */
export const loginRoutes = {
  startLogin: route({
    method: 'POST',
    path: '/api/v1/auth/device',
    summary:
      'Begin a login: a code for the program that asks, and one for the person who answers in a browser',
    gate: open,
    limited: true,
    status: 200,
    response: z.object({
      device_code: z.string(),
      user_code: z.string(),
      /** The page for the person, with the code. */
      verification_uri: z.string(),
      verification_uri_complete: z.string(),
      /** Seconds until the codes are over. */
      expires_in: z.int(),
      /** Seconds between two questions for the tokens. */
      interval: z.int(),
    }),
  }),
  takeLogin: route({
    method: 'POST',
    path: '/api/v1/auth/device/token',
    summary: 'Ask for the tokens of a login; 400 with `error` as in RFC 8628 until the person has answered',
    gate: open,
    body: z.strictObject({
      device_code: z.string().max(200),
      grant_type: z.literal('urn:ietf:params:oauth:grant-type:device_code'),
    }),
    takesToken: true,
    status: 200,
    response: Tokens,
  }),
  loginPage: route({
    method: 'GET',
    path: '/api/v1/auth/device/verify',
    summary: 'Show the page on which a person enters the code of a login',
    gate: open,
    query: z.object({ code: z.string().max(20).optional() }),
    status: 200,
    response: 'html',
  }),
  enterCode: route({
    method: 'POST',
    path: '/api/v1/auth/device/verify',
    summary: 'Take the code of a login from that page, and send the person to the OpenID provider',
    gate: open,
    body: 'application/x-www-form-urlencoded',
    takesToken: true,
    status: 200,
    response: 'html',
  }),
  loginAnswer: route({
    method: 'GET',
    path: '/api/v1/auth/callback',
    summary:
      'Take the answer of the OpenID provider, once; the browser goes on to the question whether to allow',
    gate: open,
    status: 200,
    response: 'html',
  }),
  allowPage: route({
    method: 'GET',
    path: '/api/v1/auth/device/complete',
    summary: 'Ask the person whether the program may act for them',
    gate: open,
    status: 200,
    response: 'html',
  }),
  allowLogin: route({
    method: 'POST',
    path: '/api/v1/auth/device/complete',
    summary: 'Take the answer to that question',
    gate: open,
    body: 'application/x-www-form-urlencoded',
    takesToken: true,
    status: 200,
    response: 'html',
  }),
  refreshLogin: route({
    method: 'POST',
    path: '/api/v1/auth/refresh',
    summary: 'Take a refresh token, once, for new tokens; a second use ends the login with all its tokens',
    gate: open,
    body: refreshBody,
    takesToken: true,
    status: 200,
    response: Tokens,
  }),
  logout: route({
    method: 'POST',
    path: '/api/v1/auth/logout',
    summary: 'End a login; its tokens open nothing from then on',
    gate: open,
    body: refreshBody,
    takesToken: true,
    status: 200,
    response: z.object({ success: z.literal(true) }),
  }),
};

import { providerName } from '@osa/core/auth/person/session';
import { expect, test } from 'vitest';

test.each([
  ['https://orcid.org', 'orcid'],
  ['https://sandbox.orcid.org', 'orcid'],
  ['https://orcid.org.example.com', 'orcid.org.example.com'],
  ['https://login.example.org/realms/lab', 'login.example.org'],
  ['http://127.0.0.1:4000', '127.0.0.1:4000'],
])('people of %s have the provider %s', (issuer, name) => {
  expect(providerName(issuer)).toBe(name);
});

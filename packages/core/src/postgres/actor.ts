import { actorUuid, type Principal } from '../auth/principal.ts';
import { OsaError } from '../error.ts';
import type { Sql } from './connection/connect.ts';

/** The actor's number, made where it is not there. */
export async function rememberActor(tx: Sql, principal: Principal): Promise<number> {
  const { issuer, subject } = principal;
  const find = () =>
    tx<{ id: string }[]>`select id from actors where issuer = ${issuer} and subject = ${subject}`;
  const [known] = await find();
  if (known) return Number(known.id);
  await tx`
    insert into actors (issuer, subject, uuid) values (${issuer}, ${subject}, ${actorUuid(principal)})
    on conflict (issuer, subject) do nothing`;
  const [made] = await find();
  return Number((made ?? missingActor()).id);
}

export function missingActor(): never {
  throw new OsaError('internal', 'an actor was made and is not there');
}

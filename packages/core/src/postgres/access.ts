import type { Role } from '../auth/role.ts';
import type { Access } from '../store.ts';
import { rememberActor } from './actor.ts';
import type { Database } from './connection/connect.ts';

/** Roles of actors, and refusals of their requests. */
export function access({ sql }: Pick<Database, 'sql'>): Access {
  return {
    async rolesOf(user) {
      const rows = await sql<{ role: Role }[]>`
        select role from role_assignments where user_id = ${user} order by role`;
      return rows.map((row) => row.role);
    },
    async denied(principal, request) {
      const actor = await rememberActor(sql, principal);
      const payload = { ...request, actor, jti: principal.tokenId ?? null, outcome: 'denied' };
      // The rest of a scope may be any name, so that each refusal could be the first one of its scope.
      const verb = request.scope?.split(':').slice(0, 2).join(':') ?? request.route;
      await sql`
        with counted as (
          insert into refusals as r (actor, verb) values (${actor}, ${verb})
          on conflict (actor, verb) do update set
            count = case when r.last_at < now() - interval '1 day' then 1 else r.count + 1 end, last_at = now()
          returning count)
        insert into events (type, payload)
        select 'request.denied', ${sql.json(payload)}::jsonb
          || case when count > ${firstRefusals} then jsonb_build_object('count', count) else '{}' end
        from counted where count <= ${firstRefusals} or count & (count - 1) = 0`;
    },
  };
}

/** Refusals of one actor and verb that are logged one by one. */
const firstRefusals = 8;

/** Roles as the owner of the database gives them. */
export interface RoleAssignment {
  readonly user_id: string;
  readonly role: Role;
  readonly assigned_at: string;
}

/** False when the person had it. */
export async function grantRole({ sql }: Pick<Database, 'sql'>, user: string, role: Role): Promise<boolean> {
  const rows = await sql`
    insert into role_assignments (user_id, role) values (${user}, ${role}) on conflict do nothing returning role`;
  return rows.length > 0;
}

/** False when the person did not have it. */
export async function revokeRole({ sql }: Pick<Database, 'sql'>, user: string, role: Role): Promise<boolean> {
  const rows = await sql`
    delete from role_assignments where user_id = ${user} and role = ${role} returning role`;
  return rows.length > 0;
}

export async function listRoles({ sql }: Pick<Database, 'sql'>): Promise<readonly RoleAssignment[]> {
  return sql<RoleAssignment[]>`
    select user_id, role, assigned_at from role_assignments order by user_id, role limit 10000`;
}

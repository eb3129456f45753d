/** What an account may do, and where: `*.*`, or one schema's `name.*`. */
export type Grant = { readonly on: string; readonly privileges: readonly string[]; readonly mayGrant: boolean };

// GRANT SELECT, INSERT ON `tillmesh`.* TO `app`@`127.0.0.1` IDENTIFIED BY PASSWORD '…': what follows TO is never kept.
const LINE = /^GRANT (?<privileges>.+?) ON (?<on>\S+) TO (?<rest>.*)$/;

/** Reads the lines of SHOW GRANTS. Grants of roles are left out: their privileges are lines of their own where they are in force. */
export const parseGrants = (lines: readonly string[]): readonly Grant[] =>
  lines.flatMap((line): Grant[] => {
    const { privileges, on, rest } = LINE.exec(line)?.groups ?? {};
    if (privileges === undefined || on === undefined) return [];
    return [
      {
        on: on.replaceAll('`', ''),
        privileges: privileges.split(',').map((privilege) => privilege.trim().toUpperCase()),
        mayGrant: rest?.endsWith(' WITH GRANT OPTION') === true,
      },
    ];
  });

/** With one of these a client that still talks to a former primary writes there in spite of read_only, or turns the safety off. */
const DANGEROUS: ReadonlySet<string> = new Set([
  'ALL PRIVILEGES',
  'SUPER',
  'READ ONLY ADMIN',
  'READ_ONLY ADMIN',
  'CONNECTION ADMIN',
  'CONNECTION_ADMIN',
  'BINLOG ADMIN',
  'BINLOG_ADMIN',
  'BINLOG REPLAY',
  'REPLICATION MASTER ADMIN',
  'REPLICATION SLAVE ADMIN',
  'REPLICATION_SLAVE_ADMIN',
  'REPLICATION_APPLIER',
  'SYSTEM_VARIABLES_ADMIN',
  'SESSION_VARIABLES_ADMIN',
  'GRANT OPTION',
]);

/** What the services need in their own schema; a reader needs the first. */
const OF_WRITERS = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'] as const;
/** By which a quorum read knows how far a replica has received; MySQL calls it the second. */
const OF_REPLICATION: ReadonlySet<string> = new Set(['SLAVE MONITOR', 'REPLICA MONITOR', 'REPLICATION CLIENT']);
const HARMLESS: ReadonlySet<string> = new Set(['USAGE', ...OF_WRITERS, ...OF_REPLICATION]);

/** What an account may too much. `admin`: it could write past read_only. `schema`: it could change tables or triggers. */
export const excessOf = (
  grants: readonly Grant[],
): { readonly admin: readonly string[]; readonly schema: readonly string[] } => {
  const all = grants.flatMap(({ on, privileges, mayGrant }) =>
    [...privileges, ...(mayGrant ? ['GRANT OPTION'] : [])].map((privilege) => ({ on, privilege })),
  );
  const admin = all.filter(({ on, privilege }) => on === '*.*' && DANGEROUS.has(privilege));
  const schema = all.filter((each) => !admin.includes(each) && !HARMLESS.has(each.privilege));
  const names = (found: typeof all) => [...new Set(found.map(({ privilege }) => privilege))];
  return { admin: names(admin), schema: names(schema) };
};

/** What an account lacks for its work in the schema. */
export const lackOf = (grants: readonly Grant[], database: string, isWriter: boolean): readonly string[] => {
  const mine = grants
    .filter(({ on }) => on === '*.*' || on === `${database}.*`)
    .flatMap(({ privileges }) => privileges);
  const has = new Set(mine);
  const hasAll = has.has('ALL PRIVILEGES');
  const needed: readonly string[] = isWriter ? OF_WRITERS : ['SELECT'];
  const lacking = hasAll ? [] : needed.filter((privilege) => !has.has(privilege));
  const everywhere = grants.filter(({ on }) => on === '*.*').flatMap(({ privileges }) => privileges);
  const seesReplication = everywhere.some(
    (privilege) => privilege === 'ALL PRIVILEGES' || OF_REPLICATION.has(privilege),
  );
  return seesReplication ? lacking : [...lacking, 'SLAVE MONITOR'];
};

import { port, secretFile, z } from '@tillmesh/config';

/** Where the lists by merchant are kept; part of the configuration of who keeps them and who reads them. */
export const ListStoreConfig = z
  .strictObject({
    endpoints: z
      .array(z.strictObject({ host: z.string().min(1), port: port.min(1) }))
      .min(1)
      .max(5)
      .describe('host and port of every server that has the lists: the primary and its replicas, in any order.'),
    user: z
      .string()
      .min(1)
      .describe('Database account; SELECT for readers, everything in the one schema for the projector.'),
    password: secretFile("the database account's password"),
    database: z
      .string()
      .regex(/^[0-9A-Za-z_]{1,64}$/, 'is not a name of 1 to 64 letters, digits and _')
      .default('tillmesh_lists')
      .describe('Name of the schema.'),
    connectionsMax: z.int().min(1).max(100).default(12).describe('Connections of this instance to one server.'),
    waitersMax: z.int().min(0).max(10_000).default(100).describe('Callers that may wait for a connection.'),
    statementMsMax: z
      .int()
      .min(20)
      .max(10_000)
      .default(1_000)
      .describe('The budget of one page or one write; for readers less, as the groups can answer instead.'),
  })
  .describe('The store of the lists by merchant.');
export type ListStoreConfig = z.output<typeof ListStoreConfig>;

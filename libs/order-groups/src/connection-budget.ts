import { z } from '@tillmesh/config';

/** How many connections a database server may have, and who shares them; part of the configuration of who opens some. */
export const ConnectionBudgetConfig = z
  .strictObject({
    serverMax: z
      .int()
      .min(10)
      .max(100_000)
      .default(200)
      .describe('max_connections of every database server of the groups.'),
    reserved: z
      .int()
      .min(0)
      .max(10_000)
      .default(20)
      .describe('Of those, kept for replication, operators, commands, reports and looks at settings.'),
    instancesMax: z
      .int()
      .min(1)
      .max(1_000)
      .default(2)
      .describe('Instances of this service at most, a rollout included.'),
    others: z
      .int()
      .min(0)
      .max(100_000)
      .default(64)
      .describe('Connections that all other services may open to one server together.'),
  })
  .prefault({})
  .describe('The sum over all instances has to fit into what one database server takes.');

type Budgeted = { readonly connectionsMax: number; readonly connectionBudget: z.output<typeof ConnectionBudgetConfig> };

/** The sum as a person reads it. */
export const budgetLine = ({ connectionsMax, connectionBudget }: Budgeted): string => {
  const { serverMax, reserved, instancesMax, others } = connectionBudget;
  const own = instancesMax * connectionsMax;
  return `${instancesMax} instances × ${connectionsMax} connections + ${others} of others + ${reserved} reserved = ${own + others + reserved} of ${serverMax}`;
};

/** Refuses a configuration whose sum does not fit. */
export const checkBudget = (budgeted: Budgeted, context: z.core.$RefinementCtx): void => {
  const { serverMax, reserved, instancesMax, others } = budgeted.connectionBudget;
  if (instancesMax * budgeted.connectionsMax + others + reserved <= serverMax) return;
  context.addIssue({
    code: 'custom',
    path: ['connectionsMax'],
    message: `the connections do not fit: ${budgetLine(budgeted)}. Lower connectionsMax or instancesMax, or raise max_connections and serverMax`,
  });
};

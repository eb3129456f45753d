import { z } from '@tillmesh/config';
import { CHANNELS, type ChannelName } from '../script.ts';
import type { State } from '../state.ts';

const number = z.string().min(1).max(64);
const amountFen = z.int().min(0).max(100_000_000_000);
/** Names a line: a charge by its order, or a refund by its own number as well. */
const aim = { outTradeNo: number, refundNo: number.optional() };

/** A line of a bill that is not what the ledger says. */
export const LineDiscrepancy = z.discriminatedUnion('do', [
  z.strictObject({ do: z.literal('leave_out'), ...aim }),
  z.strictObject({ do: z.literal('add_line'), ...aim, amountFen }),
  z.strictObject({ do: z.literal('other_amount'), ...aim, amountFen }),
  z.strictObject({ do: z.literal('other_state'), ...aim, state: z.string().regex(/^[A-Z_]{1,32}$/) }),
  z.strictObject({ do: z.literal('other_fee'), ...aim, feeFen: z.int().min(-100_000_000_000).max(100_000_000_000) }),
  z.strictObject({ do: z.literal('other_order_no'), ...aim, to: number }),
  z.strictObject({ do: z.literal('twice'), ...aim, inTotals: z.boolean().default(true) }),
  z.strictObject({ do: z.literal('next_day'), ...aim }),
]);

/** What is wrong with a whole bill. */
export const FileFault = z.strictObject({
  do: z.enum(['truncated', 'wrong_hash', 'wrong_encoding', 'wrong_totals', 'bad_archive', 'not_ready']),
});

export const PlantRequest = z
  .strictObject({
    channel: z.enum(CHANNELS),
    account: z.string().min(1).max(64),
    day: z
      .string()
      .regex(/^[0-9]{4}-[0-9]{2}-[0-9]{2}$/)
      .optional(),
    discrepancies: z
      .array(z.union([LineDiscrepancy, FileFault]))
      .min(1)
      .max(1_000),
    uses: z.int().min(1).max(1_000_000).optional(),
  })
  .refine(
    ({ day, discrepancies }) =>
      day !== undefined || discrepancies.every((one) => 'outTradeNo' in one && one.do !== 'add_line'),
    { path: ['day'], message: 'is needed for what is wrong with a whole bill, and for a line that is added' },
  );
export type PlantRequest = z.output<typeof PlantRequest>;

export type LineDiscrepancy = z.output<typeof LineDiscrepancy>;
export type FaultOfBill = z.output<typeof FileFault>['do'];

/** A discrepancy that the bills of an account have. */
export type Plant = {
  readonly plantId: string;
  readonly channel: ChannelName;
  readonly account: string;
  /** The bill's day; undefined: whichever bill has the line. */
  readonly day: string | undefined;
  readonly discrepancy: LineDiscrepancy | { readonly do: FaultOfBill };
  /** Of the bills that are still to have it; undefined: all. Of what is wrong with a whole bill alone. */
  readonly usesLeft: number | undefined;
};

/** Every bill looks at all of them. */
export const PLANTS_MAX = 10_000;

/** What is planted in bills. */
export interface Plants {
  /** undefined where there would be too many. */
  add(request: PlantRequest): readonly Plant[] | undefined;
  list(): readonly Plant[];
  clear(): number;
  linesOf(channel: ChannelName, account: string): readonly (Plant & { readonly discrepancy: LineDiscrepancy })[];
  /** The faults of one bill, counted as a use. */
  takeFaults(channel: ChannelName, account: string, day: string): ReadonlySet<FaultOfBill>;
}

export const createPlants = (deps: { readonly state: State; readonly newId: () => string }): Plants => {
  const table = deps.state.table<Plant>('bill_plant', ({ plantId }) => plantId);
  const isOfLine = (plant: Plant): plant is Plant & { readonly discrepancy: LineDiscrepancy } =>
    'outTradeNo' in plant.discrepancy;
  return {
    add: ({ channel, account, day, discrepancies, uses }) => {
      if (table.size + discrepancies.length > PLANTS_MAX) return undefined;
      return discrepancies.map((discrepancy) => {
        const plant = { plantId: deps.newId(), channel, account, day, discrepancy, usesLeft: uses };
        table.put(plant);
        return plant;
      });
    },
    list: () => [...table.values()],
    clear: () => {
      const ids = [...table.values()].map(({ plantId }) => plantId);
      for (const id of ids) table.remove(id);
      return ids.length;
    },
    linesOf: (channel, account) =>
      [...table.values()].filter(isOfLine).filter((plant) => plant.channel === channel && plant.account === account),
    takeFaults: (channel, account, day) => {
      const faults = new Set<FaultOfBill>();
      for (const plant of table.values()) {
        if (isOfLine(plant) || plant.channel !== channel || plant.account !== account || plant.day !== day) continue;
        faults.add(plant.discrepancy.do as FaultOfBill);
        if (plant.usesLeft === 1) table.remove(plant.plantId);
        else if (plant.usesLeft !== undefined) table.put({ ...plant, usesLeft: plant.usesLeft - 1 });
      }
      return faults;
    },
  };
};

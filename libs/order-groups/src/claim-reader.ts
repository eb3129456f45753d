import type { Clock } from '@tillmesh/clock';
import type { GroupTag, MerchantId, MerchantOrderNo } from '@tillmesh/domain';
import { CLAIMS_READ_MAX, selectClaims } from './claim-statements.ts';
import { orderNoOf, text, whole } from './columns.ts';
import type { Row } from './connection.ts';
import type { ConnectionPool } from './connection-pool.ts';
import { createGathered } from './gathered.ts';
import type { Claim, MerchantOrder } from './order-group.ts';

/** Reads claims at one server, many with one statement under load. */
export type Claims = {
  /** The statement that reads begins after this call. @throws {DatabaseError} */
  read(of: MerchantOrder): Promise<Claim | undefined>;
};

/** Statements are prepared for these counts of claims alone: the server's memory for them is limited. */
const SIZES = [1, 4, 12, CLAIMS_READ_MAX] as const;

/** One statement reads while the next one gathers. */
const CONCURRENT_MAX = 1;

const keyOf = ({ merchantId, merchantOrderNo }: MerchantOrder): string => `${merchantId}\n${merchantOrderNo}`;

/** A claim from its columns. */
export const claimOf = (row: Row, prefix: '' | 'claim_' = ''): Claim => ({
  orderNo: orderNoOf(row, `${prefix}order_no`),
  state: text(row, `${prefix}state`) as Claim['state'],
  home: whole(row, `${prefix}home_tag`) as GroupTag,
});

/** Whose claim a row is. */
export const merchantOrderOf = (row: Row): MerchantOrder => ({
  merchantId: text(row, 'merchant_id') as MerchantId,
  merchantOrderNo: text(row, 'merchant_order_no') as MerchantOrderNo,
});

/** Creates the reader over a server's connections. */
export const createClaimReader = (pool: ConnectionPool, statementMsMax: number, clock: Clock): Claims => {
  const gathered = createGathered<MerchantOrder, Claim | undefined>({
    questionsMax: CLAIMS_READ_MAX,
    concurrentMax: CONCURRENT_MAX,
    answer: async (questions) => {
      const size = SIZES.find((candidate) => candidate >= questions.length) ?? CLAIMS_READ_MAX;
      // The statement has more places than questions: the last one fills them.
      const asked = Array.from({ length: size }, (_, place) => questions[place] ?? questions.at(-1));
      const parameters = asked.flatMap((of) => (of === undefined ? [] : [of.merchantId, of.merchantOrderNo]));
      const deadline = { atMs: clock.monotonicMs() + statementMsMax };
      const { rows } = await pool.use(deadline, (connection) =>
        connection.run(selectClaims(size), parameters, deadline),
      );
      const found = new Map(rows.map((row) => [keyOf(merchantOrderOf(row)), claimOf(row)]));
      return questions.map((of) => found.get(keyOf(of)));
    },
  });
  return { read: (of) => gathered.ask(of) };
};

import type { Clock } from '@tillmesh/clock';
import { allowedPairs, fromOrderKey, type OrderKey, PAYMENT_MOVES } from '@tillmesh/domain';
import type { LocalGroup } from '@tillmesh/local-stack';
import type { RowDataPacket } from 'mysql2';
import type { OrderSample } from './order-till.ts';

/** What the databases hold after a drill, against what tills were told. All but `orders` and `answered` have to be 0. */
export type OrderBooks = {
  /** Rows of orders in all groups, void ones included. */
  readonly orders: number;
  readonly answered: number;
  /** Answered to a till, and not there or of another amount. */
  readonly lost: number;
  /** Numbers of merchants with two orders that could be paid. */
  readonly twoPayable: number;
  /** Numbers for which two callers, or one for two orders, were told to call the channel. */
  readonly twoGranted: number;
  /** The channel's answer was taken, and the order is not paid. */
  readonly answersLost: number;
  /** Orders whose trajectory shows a move that is none, or a version that did not grow. */
  readonly movedBack: number;
  /** Claims, and channels' answers kept for another group, that nobody has brought to their end. */
  readonly leftOpen: number;
  readonly complaints: readonly string[];
};

type OrderRow = { readonly k: string; readonly orderNo: string; readonly amount: bigint; readonly state: string };

const COMPLAINTS_MAX = 20;
const LOOK_AGAIN_MS = 500;
/** A jump that no caller repeats is given up after 120 s; a sweep then takes some more. */
const SWEPT_WITHIN_MS = 180_000;
const ALLOWED: ReadonlySet<string> = new Set(allowedPairs(PAYMENT_MOVES).map(({ from, to }) => `${from}>${to}`));
/** What nobody may pay. */
const UNPAYABLE: ReadonlySet<string> = new Set(['void', 'unbound']);

const query = (group: LocalGroup, sql: string): Promise<RowDataPacket[]> =>
  group.primary().administer(async (connection) => {
    await connection.query(`USE ${group.database}`);
    const [rows] = await connection.query<RowDataPacket[]>(sql);
    return rows;
  });

const ordersOf = async (group: LocalGroup): Promise<OrderRow[]> => {
  const rows = await query(
    group,
    'SELECT CAST(order_no AS CHAR) AS order_key, merchant_id, merchant_order_no, CAST(amount AS CHAR) AS amount, state FROM payment',
  );
  return rows.map((row) => ({
    k: `${row['merchant_id']}/${row['merchant_order_no']}`,
    orderNo: fromOrderKey(BigInt(String(row['order_key'])) as OrderKey),
    amount: BigInt(String(row['amount'])),
    state: String(row['state']),
  }));
};

/** Orders whose trajectory goes back, each with what is wrong. */
const movedBackOf = async (group: LocalGroup): Promise<string[]> => {
  const rows = await query(
    group,
    'SELECT CAST(order_no AS CHAR) AS order_key, state, version FROM trajectory WHERE refund_no IS NULL ORDER BY order_no, id',
  );
  const wrong: string[] = [];
  let before: { readonly key: string; readonly state: string; readonly version: number } | undefined;
  for (const row of rows) {
    const now = { key: String(row['order_key']), state: String(row['state']), version: Number(row['version']) };
    if (before?.key === now.key) {
      const isMove = before.state === now.state || ALLOWED.has(`${before.state}>${now.state}`);
      if (!isMove || now.version <= before.version) {
        const order = fromOrderKey(BigInt(now.key) as OrderKey);
        wrong.push(`${order} went from ${before.state} ${before.version} to ${now.state} ${now.version}`);
      }
    }
    before = now;
  }
  return wrong;
};

/** What the sweep of a group has still to do, each in words. */
const leftOpenIn = async (group: LocalGroup): Promise<string[]> => {
  const claims = await query(
    group,
    'SELECT merchant_id, merchant_order_no, state, home_tag, created_at FROM jump_claim WHERE NOT is_closed',
  );
  const events = await query(
    group,
    'SELECT CAST(number AS CHAR) AS number, group_tag FROM pending_event WHERE replayed_at IS NULL',
  );
  return [
    ...claims.map(
      (row) =>
        `the claim of ${row['merchant_id']}/${row['merchant_order_no']} in group ${group.tag} is ${row['state']} since ${row['created_at']}, home ${row['home_tag']}`,
    ),
    ...events.map((row) => `news of ${row['number']} for group ${row['group_tag']} is kept in group ${group.tag}`),
  ];
};

/** Waits until the sweep has brought everything to its end, then reads what every group's primary holds. */
export const readOrderBooks = async (
  groups: readonly LocalGroup[],
  samples: readonly OrderSample[],
  clock: Clock,
): Promise<OrderBooks> => {
  const untilMs = clock.monotonicMs() + SWEPT_WITHIN_MS;
  const allOpen = async () => (await Promise.all(groups.map(leftOpenIn))).flat();
  let leftOpen = await allOpen();
  while (leftOpen.length > 0 && clock.monotonicMs() < untilMs) {
    await clock.sleep(LOOK_AGAIN_MS);
    leftOpen = await allOpen();
  }

  const complaints: string[] = [...leftOpen];
  const rows = (await Promise.all(groups.map(ordersOf))).flat();
  const byNumber = new Map(rows.map((row) => [row.orderNo, row]));
  const payable = new Map<string, string[]>();
  for (const { k, orderNo, state } of rows) {
    if (!UNPAYABLE.has(state)) payable.set(k, [...(payable.get(k) ?? []), orderNo]);
  }
  let twoPayable = 0;
  for (const [k, orderNos] of payable) {
    if (orderNos.length === 1) continue;
    twoPayable += 1;
    complaints.push(`${k} has the payable orders ${orderNos.join(' and ')}`);
  }

  const counts = { answered: 0, lost: 0, twoGranted: 0, answersLost: 0 };
  for (const { merchantId, merchantOrderNo, minorUnits, orderNo, grants, isPaid } of samples) {
    const k = `${merchantId}/${merchantOrderNo}`;
    const granted = new Set(grants.map((grant) => `${grant.orderNo} to ${grant.token}`));
    if (granted.size > 1) {
      counts.twoGranted += 1;
      complaints.push(`${k} was granted as ${[...granted].join(' and as ')}`);
    }
    if (orderNo === undefined) continue;
    counts.answered += 1;
    const row = byNumber.get(orderNo);
    if (row === undefined || row.k !== k || row.amount !== minorUnits) {
      counts.lost += 1;
      complaints.push(`${orderNo} (${k}) was answered, and ${row === undefined ? 'is not there' : 'differs'}`);
    } else if (isPaid && row.state !== 'succeeded') {
      counts.answersLost += 1;
      complaints.push(`${orderNo} (${k}) was paid, and is ${row.state}`);
    }
  }
  const movedBack = (await Promise.all(groups.map(movedBackOf))).flat();
  complaints.push(...movedBack);
  return {
    orders: rows.length,
    ...counts,
    twoPayable,
    movedBack: movedBack.length,
    leftOpen: leftOpen.length,
    complaints: complaints.slice(0, COMPLAINTS_MAX),
  };
};

/** What every drill of the order store demands of its books. */
export const bookTargets = (books: OrderBooks) =>
  (
    [
      ['acknowledged orders lost', books.lost],
      ['numbers with two payable orders', books.twoPayable],
      ['numbers granted twice', books.twoGranted],
      ['channels’ answers lost', books.answersLost],
      ['orders that moved back', books.movedBack],
      ['claims and kept answers left open', books.leftOpen],
    ] as const
  ).map(([name, measured]) => ({ name, measured, op: '==' as const, target: 0 }));

import { timestampMs } from '@bufbuild/protobuf/wkt';
import { DAY_MS, firstOrderKeyAt, type MerchantId, type PaymentState, parseMerchantId } from '@tillmesh/domain';
import type { PagePosition } from '@tillmesh/order-groups';
import type { ListPaymentsRequest } from '@tillmesh/proto/tillmesh/query/v1/query_service_pb.ts';
import { rpcErrors } from '@tillmesh/rpc';
import { paymentStateMap } from '@tillmesh/wire';
import { readPageToken } from './page-token.ts';

/** What a request asks for, checked. */
export type AskedPage = {
  readonly merchantId: MerchantId;
  readonly floor: bigint;
  readonly position: PagePosition;
  readonly states: ReadonlySet<PaymentState> | undefined;
  readonly pageSize: number;
  /** What the token of the next page is bound to. */
  readonly question: string;
};

const DAYS_BY_DEFAULT = 31;
const DAYS_MAX = 93;
const PAGE_SIZE_BY_DEFAULT = 50;
/** No clock of ours is so far ahead; and the databases need not look into the days to come. */
const AHEAD_MS = 3_600_000;

const refused = (field: string, description: string): Error =>
  rpcErrors.requestInvalid(`the request breaks the rules of lists: ${field} ${description}`, {
    violations: [{ field, description, reason: `list_payments.${field}` }],
  });

const statesOf = ({ states }: ListPaymentsRequest): ReadonlySet<PaymentState> | undefined => {
  if (states.length === 0) return undefined;
  return new Set(
    states.map((state) => {
      const word = paymentStateMap.fromWire(state);
      if (word === undefined) throw refused('states', `holds ${state}, which is no state to ask for`);
      return word;
    }),
  );
};

/** Reads a request. @throws {RpcError} REQUEST_INVALID with the field that is wrong. */
export const askedPageOf = (request: ListPaymentsRequest, nowMs: number): AskedPage => {
  const merchantId = parseMerchantId(request.merchantId);
  if (merchantId === undefined) throw refused('merchant_id', 'is not a merchant id');
  const fromMs = request.from === undefined ? undefined : timestampMs(request.from);
  const toMs = request.to === undefined ? undefined : timestampMs(request.to);
  const lowestMs = fromMs ?? (toMs ?? nowMs) - DAYS_BY_DEFAULT * DAY_MS;
  if (toMs !== undefined && lowestMs >= toMs) throw refused('from', 'must lie before to');
  if ((toMs ?? nowMs) - lowestMs > DAYS_MAX * DAY_MS)
    throw refused('from', `must lie at most ${DAYS_MAX} days before to`);
  const states = statesOf(request);
  const question = JSON.stringify([
    merchantId,
    fromMs ?? null,
    toMs ?? null,
    states === undefined ? null : [...states].sort(),
  ]);
  const pageSize = request.pageSize === 0 ? PAGE_SIZE_BY_DEFAULT : request.pageSize;
  if (request.pageToken === '') {
    const before = firstOrderKeyAt(toMs ?? nowMs + AHEAD_MS);
    return {
      merchantId,
      floor: firstOrderKeyAt(lowestMs),
      position: { before, behind: new Map() },
      states,
      pageSize,
      question,
    };
  }
  const token = readPageToken(request.pageToken, question);
  if (token === undefined) {
    throw refused('page_token', 'is not the next_page_token of a page of the same merchant, times and states');
  }
  return { merchantId, ...token, states, pageSize, question };
};

import type { MessageInitShape } from '@bufbuild/protobuf';
import type { AccountId, AccountReport, DayUse, Hearsay, Opinion } from '@tillmesh/domain';
import {
  type AccountHealthSchema,
  AccountOpinion,
  type AccountReportSchema,
  type DayUseSchema,
  type AccountReport as WireAccountReport,
  type DayUse as WireDayUse,
  type RoutingHealth as WireRoutingHealth,
} from '@tillmesh/proto/tillmesh/routing/v1/routing_health_pb.ts';

const OPINION_TO_WIRE: Readonly<Record<Opinion, AccountOpinion>> = {
  none: AccountOpinion.UNSPECIFIED,
  well: AccountOpinion.WELL,
  sick: AccountOpinion.SICK,
};

// An opinion of a later version is none.
const opinionFromWire = (opinion: AccountOpinion): Opinion => {
  if (opinion === AccountOpinion.SICK) return 'sick';
  return opinion === AccountOpinion.WELL ? 'well' : 'none';
};

const useToWire = ({ day, minorUnits, count }: DayUse): MessageInitShape<typeof DayUseSchema> => ({
  day,
  minorUnits,
  count: BigInt(count),
});

const useFromWire = (use: WireDayUse | undefined): DayUse => ({
  day: use?.day ?? '',
  minorUnits: use?.minorUnits ?? 0n,
  count: Number(use?.count ?? 0n),
});

/** What one process says of an account, for the wire. */
export const accountReportToWire = (report: AccountReport): MessageInitShape<typeof AccountReportSchema> => ({
  accountId: report.accountId,
  opinion: OPINION_TO_WIRE[report.opinion],
  cause: report.cause,
  sharePerMille: Math.round(report.share * 1_000),
  good: BigInt(report.good),
  bad: BigInt(report.bad),
  use: useToWire(report.use),
});

/** The same from the wire. */
export const accountReportFromWire = (report: WireAccountReport): AccountReport => ({
  accountId: report.accountId as AccountId,
  opinion: opinionFromWire(report.opinion),
  cause: report.cause,
  share: report.sharePerMille / 1_000,
  good: Number(report.good),
  bad: Number(report.bad),
  use: useFromWire(report.use),
});

/** What others say of an account, for the wire. */
export const hearsayToWire = (
  accountId: AccountId,
  { sick, well, cause, good, bad, use }: Hearsay,
): MessageInitShape<typeof AccountHealthSchema> => ({
  accountId,
  sick,
  well,
  cause,
  good: BigInt(good),
  bad: BigInt(bad),
  use: useToWire(use),
});

/** What others say, by account. */
export const hearsayFromWire = (health: WireRoutingHealth): ReadonlyMap<AccountId, Hearsay> =>
  new Map(
    health.accounts.map(({ accountId, sick, well, cause, good, bad, use }) => [
      accountId as AccountId,
      { sick, well, cause, good: Number(good), bad: Number(bad), use: useFromWire(use) },
    ]),
  );

export { channelOrderOf, liveAttemptOf } from './channel-order.ts';
export {
  attemptStateMap,
  declineReasonMap,
  discountFunderMap,
  discountKindMap,
  type EnumMap,
  fundingKindMap,
  kindMap,
  learnedByMap,
  merchantEventKindMap,
  outcomeKindMap,
  paymentStateMap,
  refundCauseMap,
  refundStateMap,
  signatureMap,
  transportMap,
  walletMap,
} from './enums.ts';
export { merchantEventToWire, type ToldEvent } from './merchant-event.ts';
export { moneyFromWire, moneyToWire } from './money.ts';
export {
  type AttemptFacts,
  attemptResultOfClose,
  attemptResultToWire,
  authenticityOf,
  outcomeFromWire,
} from './outcome.ts';
export { actionFromWire, actionToWire, attemptToWire, paymentToWire, refundToWire } from './payment.ts';
export { detailsFromWire, detailsToWire, knownDetailsToWire } from './payment-details.ts';
export { accountToWire, routingTableFromWire, routingTableToWire } from './routing.ts';
export { accountReportFromWire, accountReportToWire, hearsayFromWire, hearsayToWire } from './routing-health.ts';

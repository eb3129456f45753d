import {
  attemptReport,
  type CallFacts,
  type CloseReport,
  type OrderRef,
  outcomeOfEnd,
  textAt,
  unanswered,
} from '@tillmesh/channel-kit';
import { unknownOutcome } from '@tillmesh/domain';
import { type AlipayCall, callGateway } from './client.ts';
import { notFoundFinalAtMs } from './poll-plans.ts';
import { isVerifiedSuccess, refusalReport } from './trade.ts';

const ended = (facts: CallFacts, end: 'closed' | 'refunded', ruleId: string): CloseReport => ({
  end,
  repeat: false,
  seen: attemptReport(facts, outcomeOfEnd({ ruleId, closed: true }, { isOurs: true }, facts.signature ?? 'absent'), {
    channelCode: '10000',
  }),
});

const undecided = (facts: CallFacts, why: string, orderNotFound = false): CloseReport => ({
  end: 'undecided',
  repeat: true,
  seen: attemptReport(facts, unknownOutcome(why), { channelCode: '10000', orderNotFound }),
});

/** Closes a trade that is not paid (alipay.trade.close). A code that nobody scanned has no trade: that needs a cancel. */
export const closeOrder = async (order: OrderRef, call: AlipayCall): Promise<CloseReport> => {
  const answer = await callGateway(call, {
    method: 'alipay.trade.close',
    content: { out_trade_no: order.channelOrderNo },
  });
  if (answer.kind === 'unanswered') {
    return { end: 'undecided', repeat: true, seen: unanswered(answer.facts, answer.cause) };
  }
  if (!isVerifiedSuccess(answer)) return { end: 'undecided', repeat: true, seen: refusalReport(answer, 'close') };
  return textAt(answer.content, 'out_trade_no') === order.channelOrderNo
    ? ended(answer.facts, 'closed', 'alipay.close.10000')
    : undecided(answer.facts, 'an answer that speaks of another order');
};

/**
 * Takes an order back (alipay.trade.cancel): the channel closes it unpaid, or gives back what was paid, and says which. It
 * also succeeds for an order that it does not know, without an action; that ends the order only when no request and no
 * code of it can be on its way any more.
 */
export const cancelOrder = async (order: OrderRef, call: AlipayCall): Promise<CloseReport> => {
  const answer = await callGateway(call, {
    method: 'alipay.trade.cancel',
    content: { out_trade_no: order.channelOrderNo },
  });
  if (answer.kind === 'unanswered') {
    return { end: 'undecided', repeat: true, seen: unanswered(answer.facts, answer.cause) };
  }
  if (!isVerifiedSuccess(answer)) return { end: 'undecided', repeat: true, seen: refusalReport(answer, 'cancel') };
  const { facts, content } = answer;
  if (textAt(content, 'out_trade_no') !== order.channelOrderNo) {
    return undecided(facts, 'an answer that speaks of another order');
  }
  const retryFlag = textAt(content, 'retry_flag');
  if (retryFlag !== 'N') return undecided(facts, `a cancel with retry_flag ${retryFlag ?? 'missing'}`);
  switch (textAt(content, 'action')) {
    case 'close':
      return ended(facts, 'closed', 'alipay.cancel.close');
    case 'refund':
      return ended(facts, 'refunded', 'alipay.cancel.refund');
    case undefined:
      return call.clock.nowMs() >= notFoundFinalAtMs(order)
        ? ended(facts, 'closed', 'alipay.cancel.unknown_order')
        : undecided(facts, 'the channel does not know the order yet', true);
    default:
      return undecided(facts, 'a cancel with an action that nobody listed');
  }
};

import type { Clock, Random } from '@tillmesh/clock';
import { compactInBeijing } from '../beijing-time.ts';
import { partsOf } from '../discounts.ts';
import type { Fen } from '../fen.ts';
import type { Notifier, NotifyingChannel } from '../notifier.ts';
import type { RotatingCertificate } from '../rotating-certificate.ts';
import { notificationPlanOf } from '../script.ts';
import type { Scripts } from '../scripts.ts';
import type { UnionpayOrder } from './order.ts';
import { type AcpFields, signAcp } from './signature.ts';

const MINUTE = 60_000;

// Five tries: at once, then after 1, 2, 4 and 15 minutes; the documents name no more.
const RETRY_MS = [MINUTE, 2 * MINUTE, 4 * MINUTE, 15 * MINUTE];

/** What is told of a paid order, in an answer to a query and in a notification. */
export const paidFields = (order: UnionpayOrder): AcpFields => {
  const { discounts, settled } = partsOf(order.key, order.amount, order.acts);
  const coupons = discounts.map(({ id, name, amount, by }) => ({
    type: 'CP01',
    // UnionPay itself, or the merchant by its number.
    spnsrId: by === 'merchant' ? order.merId : '00010000',
    offstAmt: amount.toString(),
    id,
    desc: name,
  }));
  return { ...paidTerms(order, settled), ...(coupons.length === 0 ? {} : { couponInfo: JSON.stringify(coupons) }) };
};

const paidTerms = (order: UnionpayOrder, settled: Fen): AcpFields => ({
  txnAmt: order.amount.toString(),
  currencyCode: '156',
  queryId: order.queryId,
  // MMDDhhmmss, and MMDD: UnionPay says no year.
  traceTime: compactInBeijing(order.paidAtMs ?? 0).slice(4),
  settleDate: compactInBeijing(order.paidAtMs ?? 0).slice(4, 8),
  settleAmt: settled.toString(),
  settleCurrencyCode: '156',
  payCardType: '01',
  // Masked, as UnionPay tells it to merchants without the permission to see it.
  accNo: `6226********${(order.payerId ?? '').slice(-4).padStart(4, '0')}`,
});

/** How UnionPay notifies: a signed form; HTTP 200 ends the tries. */
export const unionpayNotifying = (signer: RotatingCertificate): NotifyingChannel => ({
  retryMs: RETRY_MS,
  accepts: (status) => status === 200,
  request: ({ content, signature }) => {
    const key = signer.current;
    const fields: Record<string, string> = {
      ...(JSON.parse(content) as AcpFields),
      signPubKeyCert: key.certificate,
    };
    // A wrong signature is a good one of another text, so that only a verifier can tell.
    const signed = signature === 'wrong' ? { ...fields, txnAmt: '1' } : fields;
    if (signature !== 'none') fields['signature'] = signAcp(signed, key.privateKey);
    return {
      body: new URLSearchParams(fields).toString(),
      headers: { 'Content-Type': 'application/x-www-form-urlencoded;charset=utf-8', 'User-Agent': 'Java/1.8' },
    };
  },
});

/** Sends UnionPay's news of a paid order, if the order has an address for it and no script forbids. */
export const createUnionpayNews = (deps: {
  readonly clock: Clock;
  readonly random: Random;
  readonly notifier: Notifier;
  readonly scripts: Scripts;
}) => ({
  paid: (order: UnionpayOrder): void => {
    if (order.backUrl === undefined) return;
    const notificationActs = deps.scripts.take({
      channel: 'unionpay',
      operation: 'notification',
      accountId: order.accountId,
      merchantId: order.merId,
      outTradeNo: order.orderId,
      description: order.subject,
      paymentCode: order.paymentCode,
    });
    const content: AcpFields = {
      version: '5.1.0',
      encoding: 'UTF-8',
      signMethod: '01',
      txnType: '01',
      txnSubType: order.paymentCode === undefined ? '07' : '06',
      bizType: '000000',
      accessType: '0',
      merId: order.merId,
      orderId: order.orderId,
      txnTime: order.txnTime,
      respCode: '00',
      respMsg: 'success',
      ...paidFields(order),
    };
    deps.notifier.send(
      {
        notificationId: deps.random.hex(12),
        channel: 'unionpay',
        merchantId: order.merId,
        outTradeNo: order.orderId,
        event: 'paid',
        url: order.backUrl,
        content: JSON.stringify(content),
      },
      notificationPlanOf(order.acts, notificationActs),
    );
  },
});

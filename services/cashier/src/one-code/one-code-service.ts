import { create } from '@bufbuild/protobuf';
import { durationFromMs, durationMs, timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { Clock } from '@tillmesh/clock';
import { type AccountId, type MerchantId, type Money, parseMoney } from '@tillmesh/domain';
import {
  type CreatePaymentRequest,
  CreatePaymentRequestSchema,
} from '@tillmesh/proto/tillmesh/cashier/v1/cashier_service_pb.ts';
import { MoneySchema } from '@tillmesh/proto/tillmesh/money/v1/money_pb.ts';
import {
  ErrorCorrection,
  ImageFormat,
  type OneCodeService,
} from '@tillmesh/proto/tillmesh/onecode/v1/one_code_service_pb.ts';
import type { OrderStoreService } from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import {
  type Payment,
  PaymentKind,
  PaymentState,
  type Wallet,
} from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { type Implementation, persistently, type RpcClient, RpcError, rpcErrors } from '@tillmesh/rpc';
import { annotate } from '@tillmesh/telemetry';
import { moneyFromWire, paymentStateMap, walletMap } from '@tillmesh/wire';
import type { Channels } from '../channels.ts';
import type { ChosenAccount, Routes } from '../choose-route.ts';
import type { CodeBook, OneCode } from './code-book.ts';
import { pictureOf } from './qr-image.ts';

const EXPIRE_AFTER_MS = 600_000;
/** The shortest life of a payment; a code that is opened in its last minute gives its payer a whole one. */
const PAYMENT_MS_MIN = 60_000;

const amountOf = (code: OneCode) => ({ currency: code.currency, minorUnits: BigInt(code.minorUnits) });

const moneyOf = ({ currency, minorUnits }: OneCode): Money => {
  const amount = parseMoney(currency, BigInt(minorUnits));
  if (amount === undefined) throw rpcErrors.internal('a code holds an amount that cannot be read');
  return amount;
};

/** A code of one address for every wallet: who pays is asked first, then a payment is taken as any other. */
export const createOneCodeService = (deps: {
  /** In front of a code's id. */
  readonly baseUrl: string;
  readonly codes: CodeBook;
  readonly routes: Routes;
  readonly channels: Channels;
  readonly orderStore: RpcClient<typeof OrderStoreService>;
  readonly take: (request: CreatePaymentRequest, only: ChosenAccount) => Promise<Payment>;
  readonly clock: Clock;
}): Implementation<typeof OneCodeService> => {
  const { baseUrl, codes, routes, channels, orderStore, take, clock } = deps;

  const paymentOf = async ({ merchantId, merchantOrderNo }: OneCode): Promise<Payment | undefined> => {
    const ref = { case: 'merchantOrder', value: { merchantId, merchantOrderNo } } as const;
    try {
      return (await persistently(() => orderStore.getOrder({ payment: { ref } }), clock)).payment;
    } catch (error) {
      if (error instanceof RpcError && error.reason === 'PAYMENT_UNKNOWN') return undefined;
      throw error;
    }
  };

  /** Refused where the code's payment is over, or another wallet's. */
  const demandOpen = (payment: Payment | undefined, wallet: Wallet): void => {
    if (payment === undefined) return;
    if (payment.state === PaymentState.PAYING && payment.wallet === wallet) return;
    throw rpcErrors.paymentState('this code’s payment has been begun by another wallet, or is over', {
      metadata: { state: paymentStateMap.fromWire(payment.state) ?? '', order_no: payment.orderNo },
    });
  };

  return {
    createOneCode: async (request) => {
      const amount = moneyFromWire(request.amount);
      if (amount === undefined) throw rpcErrors.requestInvalid('amount: is out of range');
      if (amount.minorUnits === 0n) throw rpcErrors.amountZero('a payment needs at least one minor unit');
      const afterMs = request.expireAfter === undefined ? EXPIRE_AFTER_MS : durationMs(request.expireAfter);
      const code = await codes.add({
        merchantId: request.merchantId,
        merchantOrderNo: request.merchantOrderNo,
        currency: amount.currency,
        minorUnits: amount.minorUnits.toString(),
        subject: request.subject,
        terminalId: request.terminalId,
        storeId: request.storeId,
        expireAtMs: clock.nowMs() + afterMs,
      });
      const url = `${baseUrl}/${code.codeId}`;
      const correction = request.errorCorrection === ErrorCorrection.Q ? 'Q' : 'M';
      const format = request.imageFormat === ImageFormat.PNG ? 'png' : 'svg';
      return {
        codeId: code.codeId,
        url,
        expireAt: timestampFromMs(code.expireAtMs),
        ...(request.imageFormat === ImageFormat.UNSPECIFIED ? {} : { image: await pictureOf(url, correction, format) }),
      };
    },

    getOneCode: async ({ codeId }) => {
      const code = await codes.read(codeId);
      const payment = await paymentOf(code);
      return {
        amount: amountOf(code),
        subject: code.subject,
        expireAt: timestampFromMs(code.expireAtMs),
        ...(payment === undefined ? {} : { state: payment.state, wallet: payment.wallet }),
      };
    },

    beginOneCode: async ({ codeId, wallet, returnUrl }) => {
      const code = await codes.read(codeId);
      demandOpen(await paymentOf(code), wallet);
      const named = walletMap.fromWire(wallet);
      if (named === undefined) throw rpcErrors.requestInvalid('wallet: is unknown here');
      const { account } = routes.first({
        merchantId: code.merchantId as MerchantId,
        merchantOrderNo: code.merchantOrderNo,
        amount: moneyOf(code),
        wallet: named,
        kind: 'jsapi',
        excluded: [],
      });
      const { accountId, channelId } = account;
      const channel = channels.of(channelId);
      const state = await codes.begin({ codeId, wallet: named, accountId, channelId });
      const { redirectUrl } = await channel.client.buildPayerAuth(
        { accountId, returnUrl, state },
        { passage: channel.lanes.query },
      );
      return { redirectUrl, state };
    },

    payOneCode: async ({ codeId, state, authorisationCode, clientIp }) => {
      const code = await codes.read(codeId);
      const { accountId, channelId, ...begun } = await codes.finish(codeId, state);
      const wallet = walletMap.toWire(begun.wallet);
      annotate({ 'tillmesh.merchant_id': code.merchantId, 'tillmesh.account_id': accountId });
      demandOpen(await paymentOf(code), wallet);
      const channel = channels.of(channelId);
      const { payerId } = await channel.client.resolvePayer(
        { accountId, authorisationCode },
        { passage: channel.lanes.query },
      );
      const payment = await take(
        create(CreatePaymentRequestSchema, {
          merchantId: code.merchantId,
          merchantOrderNo: code.merchantOrderNo,
          amount: create(MoneySchema, amountOf(code)),
          kind: PaymentKind.JSAPI,
          wallet,
          subject: code.subject,
          payerId,
          clientIp,
          terminalId: code.terminalId,
          storeId: code.storeId,
          expireAfter: durationFromMs(Math.max(PAYMENT_MS_MIN, code.expireAtMs - clock.nowMs())),
        }),
        { accountId: accountId as AccountId, channelId: channelId as ChosenAccount['channelId'] },
      );
      return { payment };
    },
  };
};

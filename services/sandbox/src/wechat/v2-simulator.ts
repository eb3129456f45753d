import type { Clock, Random } from '@tillmesh/clock';
import type { Log } from '@tillmesh/telemetry';
import { exchangeWithFaults } from '../exchange.ts';
import type { HttpReply, HttpRequest } from '../http-server.ts';
import type { Limits } from '../limits.ts';
import type { HostName } from '../outage.ts';
import { type Act, wireFaultsOf } from '../script.ts';
import type { ScriptContext, Scripts } from '../scripts.ts';
import type { State } from '../state.ts';
import type { Stats } from '../stats.ts';
import type { WechatAccount } from './account.ts';
import { alterV2, notTaken, refuse, renderV2, type V2Answer } from './v2-answer.ts';
import type { V2Call, V2Operation } from './v2-call.ts';
import { createV2Gate, type V2Passed } from './v2-gate.ts';

// How the payer behaves in WeChat Pay's official negative tests; the seconds are ours.
const NEGATIVE_TESTS: Readonly<Record<string, readonly Act[]>> = {
  MICROPAY_USERPAYING: [{ do: 'payer_types_password', seconds: 10, then: 'pays' }],
  MICROPAY_TIMEOUT: [{ do: 'answer_lost_after_commit', how: 'hang' }],
  MICROPAY_PAYERROR: [{ do: 'decline', code: 'TRADE_ERROR' }],
};

const negativeTestOf = (request: HttpRequest): readonly Act[] => {
  const name = request.headers['wechatpay-negative-test'];
  return typeof name === 'string' ? (NEGATIVE_TESTS[name] ?? []) : [];
};

/** WeChat Pay's v2 interface: XML, with MD5 or HMAC-SHA256 over the fields. */
export const createV2Simulator = (deps: {
  readonly clock: Clock;
  readonly random: Random;
  readonly state: State;
  readonly scripts: Scripts;
  readonly stats: Stats;
  readonly limits: Limits;
  readonly log: Log;
  readonly accounts: readonly WechatAccount[];
  readonly operations: ReadonlyMap<string, V2Operation>;
}): ((request: HttpRequest) => Promise<HttpReply>) => {
  const { clock, random, scripts, stats, operations, log } = deps;
  const gate = createV2Gate(deps.accounts);

  const contextOf = (
    operation: V2Operation,
    { account, fields }: V2Passed,
    call: V2Call,
    host: HostName,
  ): ScriptContext => ({
    channel: 'wechat',
    operation: operation.operation,
    accountId: account.accountId,
    merchantId: account.mchid,
    outTradeNo: call.order()?.outTradeNo ?? fields.get('out_trade_no'),
    description: call.description,
    paymentCode: call.paymentCode,
    host,
  });

  return async (request) => {
    const operation = operations.get(request.path);
    if (operation === undefined) return { kind: 'answer', status: 404, headers: {}, body: Buffer.alloc(0) };
    const passed = gate(request);
    if (passed.kind === 'refused') {
      log.warn({ path: request.path, reason: passed.reason }, 'a v2 request was refused');
      if (passed.isAboutSignature) stats.refusedSignature('wechat', `v2_${passed.reason}`);
      return notTaken(passed.message, random);
    }
    const by = { account: passed.account, signType: passed.signType, random };
    const call = operation.read(passed);
    stats.request('wechat', operation.name);
    if ('kind' in call) {
      log.warn({ path: request.path, reason: call.code }, 'a v2 request has wrong fields');
      return renderV2(call, 'right', by);
    }
    const context = contextOf(operation, passed, call, request.host);
    const acts = [
      ...scripts.take(context),
      ...call.codeActs,
      ...(operation.operation === 'pay' ? negativeTestOf(request) : []),
    ];
    const over = stats.exchange(passed.account.accountId, operation.operation);
    return exchangeWithFaults<V2Answer>({
      faults: wireFaultsOf(acts),
      clock,
      random: deps.random,
      signal: request.signal,
      durable: deps.state.durable,
      limited: deps.limits.begin(context),
      seen:
        operation.operation === 'query' ? { createdAtMs: call.order()?.createdAtMs, code: 'ORDERNOTEXIST' } : undefined,
      isFailure: ({ kind }) => kind === 'refused',
      perform: () => call.perform(acts),
      decline: (code) => call.decline(code, acts),
      errorAnswer: refuse,
      alter: alterV2,
      render: (answer, signature) => renderV2(answer, signature, by),
    }).finally(over);
  };
};

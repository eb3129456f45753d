import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Fault, FaultyOperation, Payer, Simulator } from '@tillmesh/channel-kit/contract';
import { systemClock, systemRandom } from '@tillmesh/clock';

// UnionPay QRA as its documents describe it, written here once more with nothing of the adapter's own code. It keeps the payers'
// money, so that the contract suite can ask what was really taken.

/** A merchant of the simulated UnionPay QRA. */
export type PeerMerchant = { readonly mchId: string; readonly key: string };

type Fields = Readonly<Record<string, string>>;
type Order = {
  readonly mchId: string;
  readonly totalFee: string;
  readonly id: string;
  /** When the payer has typed the password, monotonic ms. */
  readonly paidFromMs: number;
};

const NOVEL: Fields = { result_code: '1', pay_result: '', err_code: 'NOVEL_CODE_OF_TOMORROW', need_query: 'Y' };

const md5OfSorted = (fields: Fields, key: string): string => {
  const pairs = Object.keys(fields)
    .filter((name) => name !== 'sign' && fields[name] !== '')
    .toSorted()
    .map((name) => `${name}=${fields[name]}`);
  return createHash('md5')
    .update([...pairs, `key=${key}`].join('&'))
    .digest('hex')
    .toUpperCase();
};
const fieldsOf = (xml: string): Fields =>
  Object.fromEntries([...xml.matchAll(/<(\w+)>([^<]*)<\/\1>/g)].map(([, name = '', value = '']) => [name, value]));
const xmlOf = (fields: Fields): string =>
  `<xml>${Object.entries(fields)
    .map(([name, value]) => `<${name}><![CDATA[${value}]]></${name}>`)
    .join('\n')}</xml>`;

/** Starts the simulated UnionPay QRA for some merchants. */
export const startPeer = async (merchants: readonly PeerMerchant[]): Promise<Simulator> => {
  const payers = new Map<string, Payer>();
  const usedCodes = new Set<string>();
  const orders = new Map<string, Order>();
  const faults = new Map<string, Fault>();

  const isPaid = ({ paidFromMs }: Order): boolean => systemClock.monotonicMs() >= paidFromMs;

  const paidFields = (number: string, order: Order): Fields => ({
    result_code: '0',
    out_trade_no: number,
    transaction_id: order.id,
    out_transaction_id: `4200${order.id}`,
    total_fee: order.totalFee,
    fee_type: 'CNY',
    trade_type: 'pay.weixin.micropay',
    // Beijing has no summer time.
    time_end: new Date(systemClock.nowMs() + 8 * 3_600_000)
      .toISOString()
      .replace(/\.\d+Z$/, '')
      .replace(/\D/g, ''),
  });
  const refused = (code: string, needQuery: 'Y' | 'N'): Fields => ({
    result_code: '1',
    err_code: code,
    err_msg: code.toLowerCase(),
    need_query: needQuery,
  });

  const pay = (mchId: string, asked: Fields): Fields => {
    const { out_trade_no: number = '', auth_code: code = '', total_fee: totalFee = '' } = asked;
    if (orders.has(number)) return refused('OUT_TRADE_NO_USED', 'Y');
    const payer = payers.get(code);
    if (payer === undefined || usedCodes.has(code)) return refused('AUTH_CODE_INVALID', 'N');
    usedCodes.add(code);
    if (payer.kind === 'declined') return refused(payer.code, 'N');
    const order: Order = {
      mchId,
      totalFee,
      id: systemRandom.hex(14),
      paidFromMs: systemClock.monotonicMs() + (payer.kind === 'types_password' ? payer.seconds * 1_000 : 0),
    };
    orders.set(number, order);
    return isPaid(order) ? { ...paidFields(number, order), pay_result: '0' } : refused('USERPAYING', 'Y');
  };

  const query = (mchId: string, asked: Fields): Fields => {
    const { out_trade_no: number = '' } = asked;
    const order = orders.get(number);
    if (order === undefined || order.mchId !== mchId) return refused('ORDERNOTEXIST', 'N');
    if (!isPaid(order)) return { result_code: '0', out_trade_no: number, trade_state: 'USERPAYING' };
    return { ...paidFields(number, order), trade_state: 'SUCCESS' };
  };

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const asked = fieldsOf(Buffer.concat(parts).toString('utf8'));
    const merchant = merchants.find(
      ({ mchId, key }) => mchId === asked['mch_id'] && md5OfSorted(asked, key) === asked['sign'],
    );
    const send = (status: number, contentType: string, text: string) =>
      response.writeHead(status, { 'content-type': contentType }).end(text);
    if (merchant === undefined) {
      send(200, 'text/xml', xmlOf({ status: '400', message: 'the signature is wrong' }));
      return;
    }
    const isPayment = asked['service'] === 'unified.trade.micropay';
    const operation: FaultyOperation = isPayment ? 'pay' : 'query';
    const name = `${operation} ${asked['out_trade_no']}`;
    const fault = faults.get(name);
    faults.delete(name);
    if (fault === 'lost_before_commit') {
      request.socket.destroy();
      return;
    }
    const done = isPayment ? pay(merchant.mchId, asked) : query(merchant.mchId, asked);
    if (fault === 'lost_after_commit') {
      request.socket.destroy();
      return;
    }
    if (fault === 'silent_after_commit') return;
    if (fault === 'web_page') {
      send(200, 'text/html', '<html>UnionPay QRA is being mended</html>');
      return;
    }
    const told: Fields = {
      status: '0',
      version: '2.0',
      charset: 'UTF-8',
      sign_type: 'MD5',
      mch_id: merchant.mchId,
      nonce_str: systemRandom.hex(16),
      ...done,
      ...(fault === 'error_after_commit' ? NOVEL : {}),
      ...(fault === 'novel_state' ? { [isPayment ? 'pay_result' : 'trade_state']: 'STATE_OF_TOMORROW' } : {}),
      ...(fault === 'extra_fields' ? { novel_field: 'of tomorrow' } : {}),
    };
    const signature = fault === 'bad_signature' ? '0'.repeat(32) : md5OfSorted(told, merchant.key);
    const whole = xmlOf(fault === 'unsigned' ? told : { ...told, sign: signature });
    send(
      fault === 'http_500' ? 500 : 200,
      'text/xml',
      fault === 'truncated' ? whole.slice(0, whole.length / 2) : whole,
    );
  };

  const server = createServer((request, response) => {
    handle(request, response).catch(() => response.writeHead(500).end());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    notifyUrl: '',
    paymentCode: async (payer) => {
      const code = `13${systemRandom.hex(8).replace(/[a-f]/g, '5')}`;
      payers.set(code, payer);
      return code;
    },
    disturb: async (channelOrderNo, operation, fault) => {
      faults.set(`${operation} ${channelOrderNo}`, fault);
    },
    balanceOf: async (channelOrderNo) => {
      const order = orders.get(channelOrderNo);
      const paid = order !== undefined && isPaid(order);
      return { charges: paid ? 1 : 0, chargedFen: paid ? Number(order.totalFee) : 0, returnedFen: 0 };
    },
    close: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
};

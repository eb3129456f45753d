import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Fault, FaultyOperation, Payer, Simulator } from '@tillmesh/channel-kit/contract';
import { systemClock, systemRandom } from '@tillmesh/clock';

// Sample Pay as its documents describe it, written here once more with nothing of the adapter's own code. It keeps the payers'
// money, so that the contract suite can ask what was really taken.

/** A merchant of the simulated Sample Pay. */
export type PeerMerchant = { readonly merchantNo: string; readonly key: string };

type Order = {
  readonly merchantNo: string;
  readonly amount: number;
  readonly currency: string;
  readonly id: string;
  /** When the payer has typed the password, monotonic ms. */
  readonly paidFromMs: number;
};
type Answer = { readonly status: number; readonly content: Readonly<Record<string, unknown>> };

const NOVEL: Answer['content'] = { code: 'NOVEL_CODE_OF_TOMORROW', message: 'nobody has listed this' };

/** Starts the simulated Sample Pay for some merchants. */
export const startPeer = async (merchants: readonly PeerMerchant[]): Promise<Simulator> => {
  const payers = new Map<string, Payer>();
  const usedCodes = new Set<string>();
  const orders = new Map<string, Order>();
  const faults = new Map<string, Fault>();

  const isPaid = ({ paidFromMs }: Order): boolean => systemClock.monotonicMs() >= paidFromMs;

  const paidContent = (number: string, order: Order): Answer['content'] => ({
    code: 'PAID',
    order: number,
    merchant: order.merchantNo,
    id: order.id,
    amount: order.amount,
    currency: order.currency,
    paidAt: new Date(systemClock.nowMs()).toISOString(),
  });

  const pay = (merchantNo: string, body: Readonly<Record<string, unknown>>): Answer => {
    const number = String(body['order']);
    const refused = (status: number, code: string): Answer => ({
      status,
      content: { code, message: code.toLowerCase(), merchant: merchantNo, order: number },
    });
    if (orders.has(number)) return refused(409, 'ORDER_EXISTS');
    const code = String(body['paymentCode']);
    const payer = payers.get(code);
    if (payer === undefined || usedCodes.has(code)) return refused(402, 'CODE_EXPIRED');
    usedCodes.add(code);
    if (payer.kind === 'declined') return refused(402, payer.code);
    const order: Order = {
      merchantNo,
      amount: Number(body['amount']),
      currency: String(body['currency']),
      id: `S${systemRandom.hex(16)}`,
      paidFromMs: systemClock.monotonicMs() + (payer.kind === 'types_password' ? payer.seconds * 1_000 : 0),
    };
    orders.set(number, order);
    return isPaid(order) ? { status: 200, content: paidContent(number, order) } : refused(202, 'PAYER_TYPES');
  };

  const query = (merchantNo: string, number: string): Answer => {
    const order = orders.get(number);
    const told = { merchant: merchantNo, order: number };
    if (order === undefined || order.merchantNo !== merchantNo) {
      return { status: 404, content: { ...told, code: 'ORDER_UNKNOWN' } };
    }
    if (!isPaid(order)) return { status: 200, content: { ...told, code: 'PAYER_TYPES' } };
    return { status: 200, content: paidContent(number, order) };
  };

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const text = Buffer.concat(parts).toString('utf8');
    const { method = '', url = '' } = request;
    const timestamp = String(request.headers['sample-timestamp']);
    const given = String(request.headers['sample-signature']);
    const mac = (key: string, signed: string) => createHmac('sha256', key).update(signed).digest('hex').toUpperCase();
    const merchant = merchants.find(({ key }) => mac(key, `${method}\n${url}\n${timestamp}\n${text}`) === given);
    if (merchant === undefined) {
      response.writeHead(401, { 'content-type': 'application/json' }).end('{"code":"SIGNATURE_WRONG"}');
      return;
    }
    const isPayment = method === 'POST';
    const body = (isPayment ? JSON.parse(text) : {}) as Record<string, unknown>;
    const number = isPayment ? String(body['order']) : (url.split('/').at(-1) ?? '').replace(/\?.*/, '');
    const operation: FaultyOperation = isPayment ? 'pay' : 'query';
    const fault = faults.get(`${operation} ${number}`);
    faults.delete(`${operation} ${number}`);
    if (fault === 'lost_before_commit') {
      request.socket.destroy();
      return;
    }
    const done = isPayment ? pay(merchant.merchantNo, body) : query(merchant.merchantNo, number);
    if (fault === 'lost_after_commit') {
      request.socket.destroy();
      return;
    }
    if (fault === 'silent_after_commit') return;
    if (fault === 'web_page') {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html>Sample Pay is being mended</html>');
      return;
    }
    const status = fault === 'http_500' ? 500 : done.status;
    const told = {
      ...done.content,
      ...(fault === 'error_after_commit' ? NOVEL : {}),
      ...(fault === 'novel_state' ? { code: 'STATE_OF_TOMORROW' } : {}),
      ...(fault === 'extra_fields' ? { novel_field: 'of tomorrow' } : {}),
    };
    const whole = JSON.stringify(told);
    const answer = fault === 'truncated' ? whole.slice(0, whole.length / 2) : whole;
    const signature = mac(merchant.key, `${given}\n${status}\n${whole}`);
    response
      .writeHead(status, {
        'content-type': 'application/json',
        'sample-request-id': systemRandom.hex(8),
        ...(fault === 'unsigned' ? {} : { 'sample-signature': fault === 'bad_signature' ? '0'.repeat(64) : signature }),
      })
      .end(answer);
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
      return { charges: paid ? 1 : 0, chargedFen: paid ? order.amount : 0, returnedFen: 0 };
    },
    close: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
};

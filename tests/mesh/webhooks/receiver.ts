import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';

/** A webhook as it came, its signature verified by an independent library. */
export type Received = {
  readonly eventId: string;
  readonly genuine: boolean;
  readonly atMs: number;
  readonly event: {
    readonly event_id: string;
    readonly kind: string;
    readonly merchant_id: string;
    readonly event_version: number;
    readonly payment: { readonly order_no: string; readonly state: string; readonly version: number };
    readonly refund?: { readonly refund_no: string; readonly state: string };
  };
};

/** What a merchant's program does with a webhook, beside noting it. */
export type Behaviour = (response: ServerResponse, received: Received) => void;

export const acknowledge: Behaviour = (response) => void response.end('{"received": true}');

/** A merchant's program on this machine. */
export type Receiver = {
  readonly url: string;
  readonly received: Received[];
  /** From now on. */
  behave(behaviour: Behaviour): void;
  close(): Promise<void>;
};

export const startReceiver = async (secret: string): Promise<Receiver> => {
  const library = new Webhook(secret);
  const received: Received[] = [];
  let behaviour = acknowledge;
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const body = Buffer.concat(parts).toString('utf8');
      const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
      let genuine = true;
      try {
        library.verify(body, headers);
      } catch {
        genuine = false;
      }
      const one: Received = {
        eventId: headers['webhook-id'] ?? '',
        genuine,
        atMs: Date.now(),
        event: JSON.parse(body) as Received['event'],
      };
      received.push(one);
      behaviour(response, one);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks`,
    received,
    behave: (next) => {
      behaviour = next;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};

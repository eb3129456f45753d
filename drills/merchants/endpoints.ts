import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock } from '@tillmesh/clock';
import { Webhook } from 'standardwebhooks';

/** One webhook as a merchant's program got it. */
export type Arrival = {
  readonly merchantId: string;
  readonly eventId: string;
  readonly orderNo: string;
  readonly kind: string;
  readonly genuine: boolean;
  /** From the change of the payment until it was here, ms. */
  readonly delayMs: number;
  readonly happenedAtMs: number;
  readonly acknowledged: boolean;
};

/** Merchants' programs on this machine, each at a port of its own. */
export type MerchantEndpoints = {
  readonly arrivals: readonly Arrival[];
  urlOf(merchantId: string): string;
  /** From now on a merchant's program takes connections and answers nothing; or answers again. */
  hang(merchantId: string, hangs: boolean): void;
  close(): Promise<void>;
};

type Body = {
  readonly event_id: string;
  readonly kind: string;
  readonly happened_at: string;
  readonly payment: { readonly order_no: string };
};

/** Starts one endpoint for each merchant. @param keys what webhooks are verified with: the secret, or the public key as PEM. */
export const startEndpoints = async (
  merchantIds: readonly string[],
  keyOf: (merchantId: string) => { readonly secret: string } | { readonly publicKey: string },
  clock: Clock,
): Promise<MerchantEndpoints> => {
  const arrivals: Arrival[] = [];
  const hanging = new Set<string>();
  const servers: Server[] = [];
  const ports = new Map<string, number>();

  const isGenuine = (merchantId: string, headers: Readonly<Record<string, string>>, body: Buffer): boolean => {
    const key = keyOf(merchantId);
    if ('secret' in key) {
      try {
        new Webhook(key.secret).verify(body.toString('utf8'), headers);
        return true;
      } catch {
        return false;
      }
    }
    const publicKey: KeyObject = createPublicKey(key.publicKey);
    const content = Buffer.concat([Buffer.from(`${headers['webhook-id']}.${headers['webhook-timestamp']}.`), body]);
    const [version, signature = ''] = (headers['webhook-signature'] ?? '').split(',');
    return version === 'v1a' && verify(null, content, publicKey, Buffer.from(signature, 'base64'));
  };

  const open = async (merchantId: string): Promise<void> => {
    const server = createServer((request, response) => {
      const atMs = clock.nowMs();
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        const body = Buffer.concat(parts);
        const headers = Object.fromEntries(
          Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
        );
        const event = JSON.parse(body.toString('utf8')) as Body;
        const happenedAtMs = Date.parse(event.happened_at);
        const acknowledged = !hanging.has(merchantId);
        arrivals.push({
          merchantId,
          eventId: headers['webhook-id'] ?? '',
          orderNo: event.payment.order_no,
          kind: event.kind,
          genuine: headers['webhook-id'] === event.event_id && isGenuine(merchantId, headers, body),
          delayMs: atMs - happenedAtMs,
          happenedAtMs,
          acknowledged,
        });
        if (acknowledged) response.end('{"received": true}');
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    servers.push(server);
    ports.set(merchantId, (server.address() as AddressInfo).port);
  };
  for (const merchantId of merchantIds) await open(merchantId);

  return {
    arrivals,
    urlOf: (merchantId) => `http://127.0.0.1:${ports.get(merchantId)}/hooks`,
    hang: (merchantId, hangs) => {
      if (hangs) hanging.add(merchantId);
      else hanging.delete(merchantId);
    },
    close: async () => {
      await Promise.all(
        servers.map((server) => {
          server.closeAllConnections();
          return new Promise((resolve) => server.close(resolve));
        }),
      );
    },
  };
};

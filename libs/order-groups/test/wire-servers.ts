import { createServer, type Socket } from 'node:net';
import { systemClock } from '@tillmesh/clock';
import type { Endpoint } from '../src/group-map.ts';

/** A TCP server that counts what comes and goes. */
export type WireServer = {
  readonly endpoint: Endpoint;
  /** Connections that were ever accepted. */
  accepted(): number;
  /** Connections that are open now. */
  open(): number;
  /** Waits until so many are open. */
  untilOpen(count: number): Promise<void>;
  /** Ends every open connection, as a server does that goes away. */
  dropAll(): void;
  close(): Promise<void>;
};

const startServer = async (converse: (socket: Socket) => void): Promise<WireServer> => {
  const sockets = new Set<Socket>();
  let accepted = 0;
  const server = createServer((socket) => {
    accepted += 1;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    // A peer that cuts its socket is what these tests are about.
    socket.on('error', () => undefined);
    converse(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return {
    endpoint: { host: '127.0.0.1', port: address.port },
    accepted: () => accepted,
    open: () => sockets.size,
    untilOpen: async (count) => {
      for (let tries = 0; sockets.size !== count; tries += 1) {
        if (tries > 200) throw new Error(`${sockets.size} connections are open, not ${count}`);
        await systemClock.sleep(10);
      }
    },
    dropAll: () => {
      for (const socket of sockets) socket.destroy();
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
};

/** Accepts connections and never says a word. */
export const startMuteServer = (): Promise<WireServer> => startServer((socket) => socket.resume());

/** What to answer a statement: nothing for ever, OK, or an error of the server. */
export type StatementAnswer = 'silence' | 'ok' | { readonly number: number; readonly message: string };

const packet = (sequence: number, payload: Buffer): Buffer => {
  const head = Buffer.alloc(4);
  head.writeUIntLE(payload.length, 0, 3);
  head.writeUInt8(sequence, 3);
  return Buffer.concat([head, payload]);
};

// Protocol 10, with the capabilities LONG_PASSWORD, CONNECT_WITH_DB, PROTOCOL_41, TRANSACTIONS and SECURE_CONNECTION.
const GREETING = packet(
  0,
  Buffer.concat([
    Buffer.from('\u000a11.0.0-test\0', 'latin1'),
    Buffer.from([1, 0, 0, 0]),
    Buffer.alloc(8, 'a'),
    Buffer.from([0, 0x09, 0xa2, 45, 2, 0, 0, 0, 21]),
    Buffer.alloc(10),
    Buffer.alloc(12, 'b'),
    Buffer.from([0]),
  ]),
);
const OK = Buffer.from([0, 0, 0, 2, 0, 0, 0]);

const errorPayload = ({ number, message }: { readonly number: number; readonly message: string }): Buffer => {
  const head = Buffer.from([0xff, 0, 0]);
  head.writeUInt16LE(number, 1);
  return Buffer.concat([head, Buffer.from(`#HY000${message}`)]);
};

/** Speaks as much of the MySQL protocol as a client needs to log in and to send a statement as text. */
export const startDatabaseServer = (answerOf: (sql: string) => StatementAnswer): Promise<WireServer> =>
  startServer((socket) => {
    let loggedIn = false;
    let received = Buffer.alloc(0);
    socket.write(GREETING);
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, Buffer.from(chunk)]);
      while (received.length >= 4 && received.length >= 4 + received.readUIntLE(0, 3)) {
        const payload = received.subarray(4, 4 + received.readUIntLE(0, 3));
        const sequence = received.readUInt8(3);
        received = received.subarray(4 + payload.length);
        if (!loggedIn) {
          loggedIn = true;
          socket.write(packet(sequence + 1, OK));
          continue;
        }
        const answer = answerOf(payload.subarray(1).toString());
        if (answer === 'silence') continue;
        socket.write(packet(sequence + 1, answer === 'ok' ? OK : errorPayload(answer)));
      }
    });
  });

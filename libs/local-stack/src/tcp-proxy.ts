import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Clock } from '@tillmesh/clock';
import { createDelayedPipe, type DelayedPipe } from './delayed-pipe.ts';
import { LOCAL_HOST } from './ports.ts';

/**
 * What is wrong with a line. `cut`: nothing passes in either direction and nobody is told, as if the cable was out; new
 * connections are never answered. `reset`: connections are reset, new ones refused. `slow`: everything comes `ms` late.
 */
export type LineFault =
  | { readonly kind: 'none' }
  | { readonly kind: 'cut' }
  | { readonly kind: 'reset' }
  | { readonly kind: 'slow'; readonly ms: number };

/** A TCP proxy on 127.0.0.1 whose line can be disturbed. */
export type TcpProxy = {
  readonly port: number;
  /** Takes effect at once for connections; resolves when new ones are treated so too. */
  set(fault: LineFault): Promise<void>;
  /** How many connections it holds, those that wait for an answer included. */
  connections(): number;
  /** Ends all connections and listens no more. */
  close(): Promise<void>;
};

// A server has 200 connections at most; what tries again and again on a cut line stays below this as well.
const CONNECTIONS_MAX = 1_024;

type Pair = { readonly near: Socket; readonly far: Socket; readonly pipes: readonly DelayedPipe[] };

const listen = (server: Server, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: LOCAL_HOST, port, exclusive: true }, () => {
      server.off('error', reject);
      resolve();
    });
  });

/**
 * Starts a proxy.
 *
 * On a cut line the bytes of open connections stay where they are, in the kernel's buffers, and arrive when the line is
 * healed, as TCP's repetitions would bring them: a statement can be executed long after its caller has given up. A
 * connection that was begun on a cut line gets through then too, unless its caller has given up.
 *
 * @param options.targetPort asked for every new connection.
 */
export const startTcpProxy = async (options: {
  readonly clock: Clock;
  readonly port: number;
  readonly targetPort: () => number;
}): Promise<TcpProxy> => {
  const { clock, port, targetPort } = options;
  const pairs = new Set<Pair>();
  /** Callers on a cut line, to whom nobody has answered yet. */
  const unanswered = new Set<Socket>();
  let fault: LineFault = { kind: 'none' };
  let listening: { readonly server: Server; readonly ready: Promise<void> } | undefined;

  const join = (near: Socket) => {
    const far = connect({ host: LOCAL_HOST, port: targetPort(), allowHalfOpen: true, noDelay: true });
    const delayMs = () => (fault.kind === 'slow' ? fault.ms : 0);
    const pipes = [
      createDelayedPipe({ clock, from: near, to: far, delayMs }),
      createDelayedPipe({ clock, from: far, to: near, delayMs }),
    ];
    const pair: Pair = { near, far, pipes };
    pairs.add(pair);
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      // A reset is passed on as a reset; who asked for an end that is not there any more is nobody's news.
      socket.on('error', () => other.resetAndDestroy());
      socket.on('close', () => {
        if (near.destroyed && far.destroyed) pairs.delete(pair);
      });
    }
  };

  const accept = (near: Socket) => {
    if (fault.kind !== 'cut') {
      join(near);
      return;
    }
    // Read, so that a caller who gives up is noticed and does not take a place for as long as the cut lasts.
    near.resume();
    unanswered.add(near);
    near.once('close', () => unanswered.delete(near));
    near.on('error', () => undefined);
    near.once('end', () => near.destroy());
  };

  const open = (): Promise<void> => {
    if (listening === undefined) {
      const server = createServer({ allowHalfOpen: true, noDelay: true }, accept);
      server.maxConnections = CONNECTIONS_MAX;
      listening = { server, ready: listen(server, port) };
    }
    return listening.ready;
  };
  const shut = async () => {
    const closing = listening?.server;
    listening = undefined;
    // Resolves when the last connection is gone, which the lines below see to.
    const closed = new Promise<void>((resolve) => {
      if (closing === undefined) resolve();
      else closing.close(() => resolve());
    });
    for (const near of unanswered) near.resetAndDestroy();
    for (const { near, far } of pairs) {
      near.resetAndDestroy();
      far.resetAndDestroy();
    }
    await closed;
  };

  await open();
  return {
    port,
    set: async (next) => {
      fault = next;
      if (next.kind === 'reset') {
        await shut();
        return;
      }
      for (const { pipes } of pairs) {
        for (const pipe of pipes) {
          if (next.kind === 'cut') pipe.hold();
          else pipe.release();
        }
      }
      if (next.kind !== 'cut') {
        for (const near of unanswered) {
          unanswered.delete(near);
          near.removeAllListeners('end');
          // What it has said is gone; the servers behind our proxies speak first, so hardly anybody has.
          if (near.bytesRead > 0) near.resetAndDestroy();
          else join(near);
        }
      }
      await open();
    },
    connections: () => pairs.size + unanswered.size,
    close: shut,
  };
};

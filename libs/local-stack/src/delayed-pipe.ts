import type { Socket } from 'node:net';
import type { Cancel, Clock } from '@tillmesh/clock';

/** One direction of a connection, which can be held up. */
export type DelayedPipe = {
  /** Moves nothing until `release`. What has been sent waits in the kernel's buffers, as it would on a cut line. */
  hold(): void;
  release(): void;
};

// What a pipe holds itself. Beyond it the sender's socket is not read, and the kernel slows the sender down.
const BYTES_MAX = 256 * 1024;

type Piece = { readonly dueMs: number; readonly bytes: Buffer | 'end' };

/**
 * Moves what comes out of one socket into another, in order, each piece `delayMs()` after it came. Holds at most 256 KB
 * and one piece.
 */
export const createDelayedPipe = (options: {
  readonly clock: Clock;
  readonly from: Socket;
  readonly to: Socket;
  readonly delayMs: () => number;
}): DelayedPipe => {
  const { clock, from, to, delayMs } = options;
  const waiting: Piece[] = [];
  let waitingBytes = 0;
  let isHeld = false;
  let isFull = false;
  let cancelTimer: Cancel = () => undefined;

  const readOrNot = () => {
    if (isHeld || isFull || waitingBytes >= BYTES_MAX) from.pause();
    else from.resume();
  };

  const move = () => {
    cancelTimer();
    while (!isHeld && !isFull) {
      const [piece] = waiting;
      if (piece === undefined) break;
      const remainingMs = piece.dueMs - clock.monotonicMs();
      if (remainingMs > 0) {
        cancelTimer = clock.after(Math.ceil(remainingMs), move);
        break;
      }
      waiting.shift();
      if (piece.bytes !== 'end') waitingBytes -= piece.bytes.length;
      if (to.destroyed) continue;
      if (piece.bytes === 'end') to.end();
      else isFull = !to.write(piece.bytes);
    }
    readOrNot();
  };
  const take = (bytes: Buffer | 'end') => {
    waiting.push({ dueMs: clock.monotonicMs() + delayMs(), bytes });
    if (bytes !== 'end') waitingBytes += bytes.length;
    move();
  };
  from.on('data', take);
  from.on('end', () => take('end'));
  to.on('drain', () => {
    isFull = false;
    move();
  });
  return {
    hold: () => {
      isHeld = true;
      readOrNot();
    },
    release: () => {
      isHeld = false;
      move();
    },
  };
};

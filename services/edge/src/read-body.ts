import type { IncomingMessage } from 'node:http';
import type { Clock } from '@tillmesh/clock';

/** A request's body, or why there is none: larger than allowed, not all there in time, or the sender went away. */
export type Body =
  | { readonly kind: 'whole'; readonly bytes: Uint8Array }
  | { readonly kind: 'too_large' | 'too_slow' | 'gone' };

// A connection that is closed while bytes lie unread is reset, and the answer with it. So what is too much is read to its end,
// within reason, and thrown away: its sender shall learn why it was refused.
const DISCARDED_BYTES_MAX = 1_048_576;

/** Reads a body of at most `bytesMax` bytes within `msMax`. The request is never destroyed here: it can be answered. */
export const readBody = (
  request: IncomingMessage,
  limits: { readonly bytesMax: number; readonly msMax: number },
  clock: Clock,
): Promise<Body> =>
  new Promise((resolve) => {
    let chunks: Buffer[] = [];
    let bytes = 0;
    const end = (body: Body) => {
      cancel();
      chunks = [];
      resolve(body);
    };
    const cancel = clock.after(limits.msMax, () => end({ kind: 'too_slow' }));
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= limits.bytesMax) chunks.push(chunk);
      else {
        chunks = [];
        if (bytes > limits.bytesMax + DISCARDED_BYTES_MAX) end({ kind: 'too_large' });
      }
    });
    request.once('end', () =>
      end(bytes > limits.bytesMax ? { kind: 'too_large' } : { kind: 'whole', bytes: Buffer.concat(chunks) }),
    );
    for (const event of ['error', 'close'] as const) request.once(event, () => end({ kind: 'gone' }));
  });

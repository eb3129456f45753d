import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Clock } from '@tillmesh/clock';

export type PostResult =
  | { readonly kind: 'answered'; readonly status: number; readonly body: string }
  | { readonly kind: 'failed'; readonly reason: string };

// A merchant answers a notification with a word or a small object; the rest of a page is nobody's business.
const ANSWER_BYTES_MAX = 4_096;

/** Posts bytes once, on a connection of its own, and gives up after `timeoutMs`. Never rejects. */
export const post = (options: {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}): Promise<PostResult> =>
  new Promise((resolve) => {
    const { url, headers, timeoutMs, clock, signal } = options;
    if (!URL.canParse(url)) {
      resolve({ kind: 'failed', reason: 'the address is none' });
      return;
    }
    const body = Buffer.from(options.body);
    const send = url.startsWith('https:') ? httpsRequest : httpRequest;
    const end = (result: PostResult) => {
      cancel();
      request.destroy();
      resolve(result);
    };
    const request = send(
      url,
      { method: 'POST', agent: false, headers: { ...headers, 'content-length': String(body.length) }, signal },
      (response) => {
        const chunks: Buffer[] = [];
        let size = 0;
        response.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size <= ANSWER_BYTES_MAX) chunks.push(chunk);
        });
        response.on('error', () => end({ kind: 'failed', reason: 'the answer broke off' }));
        response.on('end', () =>
          end({ kind: 'answered', status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }),
        );
      },
    );
    const cancel = clock.after(timeoutMs, () => end({ kind: 'failed', reason: `no answer within ${timeoutMs} ms` }));
    request.on('error', (error) => end({ kind: 'failed', reason: error.message }));
    request.end(body);
  });

import type { IncomingHttpHeaders } from 'node:http';
import { errorTypeOf } from '@tillmesh/telemetry';
import type { Dispatcher } from 'undici';

/** Takes the body of an answer that is too large to be held: a bill. */
export type BodySink = {
  /** More is given up as `answer_too_large`. */
  readonly bytesMax: number;
  /** False: wait until onceDrained calls back before the next part. */
  write(part: Buffer): boolean;
  onceDrained(resume: () => void): void;
  /** Calls back where it can take no more: the exchange is given up. */
  onceFailed(fail: () => void): void;
};

/** A request, byte for byte: nothing in it is written again on the way. */
export type HttpRequest = {
  /** One of the base addresses that the client was made for; where they are several domains of a channel, any of them. */
  readonly baseUrl: string;
  /** Whose client certificate to show, where the host asks for one; see HttpHost. */
  readonly certificateHolder?: string;
  readonly method: 'GET' | 'POST';
  /** Path and query as they are signed and sent. */
  readonly path: string;
  /** The path with `{names}` in the place of numbers and ids, for traces. */
  readonly pathTemplate: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Buffer;
  /** True where the channel takes the same bytes twice for once, as a question: then it may go to a second domain after a lost answer. */
  readonly repeatable?: boolean;
  /**
   * Where the body of a 200 goes in the place of the answer, whose body is empty then; bodies of other answers stay in them. Such a request is not
   * `repeatable`: a second answer would be written behind the first one's beginning.
   */
  readonly sink?: BodySink;
  /** Ends the exchange: its socket is cut, or the request is never written. */
  readonly signal: AbortSignal;
  /** Asked in the moment before the request is written: undefined where it may be, otherwise why it is not sent. */
  readonly whyNotSend?: () => string | undefined;
};

/**
 * How far an exchange came.
 * - `not_sent`: proved that no byte of this request reached the host, and none will.
 * - `maybe_sent`: the request was handed to a connected socket; no complete answer was read.
 * - `answered`: a complete answer, of any status.
 *
 * `cause` is the type of an error, never its text: it may be written down. `sends` is how often the bytes may have been sent.
 */
export type HttpExchange =
  | { readonly kind: 'not_sent'; readonly host: string; readonly cause: string; readonly sends: 0 | 1 | 2 }
  | { readonly kind: 'maybe_sent'; readonly host: string; readonly cause: string; readonly sends: 0 | 1 | 2 }
  | HttpAnswer;

/** A complete answer. */
export type HttpAnswer = {
  readonly kind: 'answered';
  readonly host: string;
  readonly sends: 0 | 1 | 2;
  /** True where the peer proved who it is: TLS with a verified certificate. */
  readonly secure: boolean;
  readonly status: number;
  /** Names in lower case. */
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
};

/** The first value of a header, or an empty text. */
export const headerOf = (headers: IncomingHttpHeaders, name: string): string => {
  const value = headers[name];
  return (Array.isArray(value) ? value[0] : value) ?? '';
};

type Place = {
  readonly host: string;
  readonly secure: boolean;
  readonly answerBytesMax: number;
  /** Called once, when the request has stopped waiting for a socket: it is being written, or never will be. */
  readonly onLeftQueue: () => void;
  /** Called when the request is written, and when the head of its answer is there. */
  readonly onSent: () => void;
  readonly onHead: () => void;
};

/**
 * Sends one request over a dispatcher and says how far it came. Resolves once; never rejects.
 *
 * What makes `not_sent` certain: undici calls onRequestStart after connecting (TLS included) and in the same turn in which it
 * writes the request, just before it; a handler that aborts there leaves the socket untouched (undici 8.12, client-h1.js,
 * writeH1). So a request whose handler never started was never written, and one that starts after we gave up is aborted. A
 * second start would be a retry: it is refused, whatever made it.
 */
export const exchangeOver = (dispatcher: Dispatcher, request: HttpRequest, place: Place): Promise<HttpExchange> =>
  new Promise((resolve) => {
    const { host, secure, answerBytesMax } = place;
    let controller: Dispatcher.DispatchController | undefined;
    let waiting = true;
    let settled = false;
    let status = 0;
    let headers: IncomingHttpHeaders = {};
    let received = 0;
    const parts: Buffer[] = [];

    const leaveQueue = () => {
      if (waiting) place.onLeftQueue();
      waiting = false;
    };
    const settle = (result: HttpExchange) => {
      if (settled) return;
      settled = true;
      request.signal.removeEventListener('abort', onAbort);
      resolve(result);
    };
    const giveUp = (cause: string) => {
      if (controller === undefined) settle({ kind: 'not_sent', host, cause, sends: 0 });
      else settle({ kind: 'maybe_sent', host, cause, sends: 1 });
      controller?.abort(new Error(cause));
    };
    const onAbort = () => giveUp('aborted');
    request.signal.addEventListener('abort', onAbort, { once: true });
    request.sink?.onceFailed(() => giveUp('sink_failed'));

    dispatcher.dispatch(
      { path: request.path, method: request.method, headers: request.headers, body: request.body ?? null },
      {
        onRequestStart: (started) => {
          leaveQueue();
          if (settled) {
            started.abort(new Error('given up before it was sent'));
          } else if (controller !== undefined) {
            started.abort(new Error('would be sent a second time'));
          } else {
            const refusal = request.whyNotSend?.();
            if (refusal === undefined) {
              controller = started;
              place.onSent();
            } else {
              giveUp(refusal);
              started.abort(new Error(refusal));
            }
          }
        },
        onResponseStart: (_started, statusCode, responseHeaders) => {
          // 1xx heads come before the real one.
          if (statusCode < 200) return;
          place.onHead();
          status = statusCode;
          headers = responseHeaders;
        },
        onResponseData: (started, part) => {
          received += part.byteLength;
          const sink = status === 200 ? request.sink : undefined;
          if (received > (sink?.bytesMax ?? answerBytesMax)) giveUp('answer_too_large');
          else if (sink === undefined) parts.push(part);
          else if (!sink.write(part)) {
            started.pause();
            sink.onceDrained(() => started.resume());
          }
        },
        onResponseEnd: () =>
          settle({ kind: 'answered', host, sends: 1, secure, status, headers, body: Buffer.concat(parts) }),
        onResponseError: (_started, error) => {
          leaveQueue();
          giveUp(errorTypeOf(error));
        },
      },
    );
  });

import { equalInConstantTime, hmacSha256Hex } from '@tillmesh/channel-kit';
import type { SignatureState } from '@tillmesh/domain';

/** What a request is signed over: everything that it says, byte for byte as it is sent. */
export type SignedRequest = {
  readonly method: 'GET' | 'POST';
  /** With the query string. */
  readonly path: string;
  /** Seconds since 1970. */
  readonly timestamp: string;
  /** Empty for GET. */
  readonly body: string;
};

/** Signs a request: upper-case hex of an HMAC-SHA256. */
export const sign = ({ method, path, timestamp, body }: SignedRequest, key: string): string =>
  hmacSha256Hex(`${method}\n${path}\n${timestamp}\n${body}`, key);

/**
 * What is known of an answer's signature. It covers the signature of the request as well, so that no answer to another request
 * fits.
 */
export const verify = (
  answer: { readonly status: number; readonly body: string; readonly signature: string },
  requestSignature: string,
  key: string,
): SignatureState => {
  if (answer.signature === '') return 'absent';
  const wanted = hmacSha256Hex(`${requestSignature}\n${answer.status}\n${answer.body}`, key);
  return equalInConstantTime(answer.signature, wanted) ? 'verified' : 'invalid';
};

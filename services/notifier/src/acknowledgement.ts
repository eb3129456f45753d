/** So many bytes of an answer are read; a longer one acknowledges nothing. */
export const ANSWER_BYTES_MAX = 4_096;

/** An answer as it came, whole. */
export type EndpointAnswer = { readonly status: number; readonly body: Buffer };

const NO_CONTENT = 204;

const isReceived = (body: Buffer): boolean => {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return typeof value === 'object' && value !== null && 'received' in value && value.received === true;
  } catch {
    return false;
  }
};

/**
 * Why an answer acknowledges nothing; undefined where it does: 204 without a body, or another 2xx whose body is JSON with
 * `"received": true`. A page that some proxy shows with 200 instead of the merchant's program is no acknowledgement.
 */
export const whyNotAcknowledged = ({ status, body }: EndpointAnswer): string | undefined => {
  if (status >= 300 && status < 400) return `status_${status}_redirect_refused`;
  if (status < 200 || status > 299) return `status_${status}`;
  if (status === NO_CONTENT) return undefined;
  return isReceived(body) ? undefined : 'answer_is_no_acknowledgement';
};

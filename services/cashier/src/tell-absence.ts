import { LaneRejected, LaneTimeout } from '@tillmesh/lane';
import { RpcError, rpcErrors } from '@tillmesh/rpc';

const RETRY_AFTER_MS = 1_000;

const PASSING: ReadonlySet<string> = new Set(['DEPENDENCY_UNAVAILABLE', 'LANE_FULL', 'VERSION_CONFLICT']);

/** True where it says of a neighbour that it is away, sick or busy: in its own words, by the transport or by our lane to it. */
const isAbsence = (error: unknown): boolean =>
  error instanceof LaneRejected ||
  error instanceof LaneTimeout ||
  (error instanceof RpcError && (error.isTransport || PASSING.has(error.reason)));

/**
 * Runs the work of a call. Where a neighbour is away the caller hears what that means for it, rather than whose connection broke:
 * nothing where it reads, and where it writes that nobody knows and that its own number makes a repeat safe.
 *
 * @throws {RpcError} DEPENDENCY_UNAVAILABLE, REPEAT_SAME_NUMBER, or what the work throws
 */
export const tellingAbsence = async <Answer>(
  access: 'reads' | 'writes',
  work: () => Promise<Answer>,
): Promise<Answer> => {
  try {
    return await work();
  } catch (error) {
    if (!isAbsence(error)) throw error;
    const details = { retryAfterMs: RETRY_AFTER_MS, cause: error };
    throw access === 'reads'
      ? rpcErrors.dependencyUnavailable('the orders cannot be read just now; ask again in a moment', details)
      : rpcErrors.repeatSameNumber(
          'nobody can tell just now what came of it; send the same request with the same number again, nothing is done twice',
          details,
        );
  }
};

import { ClockWentBack, DatabaseError, RowTampered, UnknownGroup } from '@tillmesh/order-groups';
import { RpcError, rpcErrors } from '@tillmesh/rpc';

const RETRY_AFTER_MS = 500;

/** Turns what the order groups throw into an answer that says what to do next. */
export const withDatabaseErrors = async <T>(work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (error) {
    throw toRpc(error);
  }
};

const toRpc = (error: unknown): unknown => {
  if (error instanceof RpcError) return error;
  if (error instanceof UnknownGroup)
    return rpcErrors.paymentUnknown('its group is not on the group map: no such payment');
  if (error instanceof ClockWentBack) {
    return rpcErrors.dependencyUnavailable(error.message, { retryAfterMs: RETRY_AFTER_MS, cause: error });
  }
  if (error instanceof RowTampered) return rpcErrors.rowTampered(error.message, { cause: error });
  if (!(error instanceof DatabaseError)) return error;
  if (error.code === 'TILLMESH_VERSION_CONFLICT') {
    return rpcErrors.versionConflict('the row changed under every try; read it again', {
      retryAfterMs: 50,
      cause: error,
    });
  }
  return rpcErrors.dependencyUnavailable(`the order's group cannot answer now (${error.code})`, {
    retryAfterMs: RETRY_AFTER_MS,
    metadata: { code: error.code, certainty: error.certainty },
    cause: error,
  });
};

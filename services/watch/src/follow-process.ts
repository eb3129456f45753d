import type { Clock } from '@tillmesh/clock';
import { LaneService } from '@tillmesh/proto/tillmesh/lane/v1/lane_service_pb.ts';
import { Code, createClient, toRpcError } from '@tillmesh/rpc';
import type { LaneBoard } from './lane-board.ts';

/** Before a stream that ended is opened again. */
const PAUSE_MS = 500;
/** A process that has no LaneService gets one when it is replaced, not before. */
const PAUSE_WITHOUT_LANES_MS = 10_000;
/** A stream is opened anew now and then: a connection that was moved by a proxy would otherwise be held for ever. */
const STREAM_MS_MAX = 3_600_000;

/** Follows the lanes of one process until the signal is aborted. Resolves then; everything else is written on the board. */
export const followProcess = async (options: {
  readonly service: string;
  /** host:port of one process. */
  readonly address: string;
  /** The name in its certificate. Undefined: its address. */
  readonly serverName: string | undefined;
  readonly board: LaneBoard;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Called after each reading. */
  readonly onHeard: () => void;
}): Promise<void> => {
  const { service, address, serverName, board, clock, signal, onHeard } = options;
  board.expect(service, address);
  const client = createClient(LaneService, {
    target: address,
    caller: 'watch',
    capMs: STREAM_MS_MAX,
    clock,
    ...(serverName === undefined ? {} : { serverName }),
  });
  try {
    while (!signal.aborted) {
      let pauseMs = PAUSE_MS;
      try {
        const stream = client.watchLanes({}, { signal, capMs: STREAM_MS_MAX, priority: 'query' });
        for await (const said of stream) {
          board.heard(service, address, said);
          onHeard();
        }
        board.ended(service, address, 'the process ended the stream', false);
      } catch (error) {
        const { code, message } = toRpcError(error);
        const hasNoLanes = code === Code.UNIMPLEMENTED;
        if (hasNoLanes) pauseMs = PAUSE_WITHOUT_LANES_MS;
        board.ended(service, address, `${Code[code]}: ${message}`.slice(0, 200), hasNoLanes);
      }
      // An abort ends the wait by a rejection; the loop's condition sees it.
      await clock.sleep(pauseMs, signal).catch(() => undefined);
    }
  } finally {
    client.close();
    board.forget(service, address);
  }
};

import {
  Client,
  type ClientReadableStream,
  connectivityState,
  credentials,
  type experimental,
  status,
} from '@grpc/grpc-js';
import type { Cancel, Clock } from '@tillmesh/clock';
import { HEALTH_CHECK, HEALTH_WATCH, isServingAnswer, serializeHealthRequest } from './health-wire.ts';

/** How an instance's health is asked for. */
export const HEALTH_TIMES = {
  /** Between two questions over a connection, ms. */
  askEveryMs: 800,
  /** A question is unanswered after, ms. */
  answerMsMax: 800,
  /** So many in a row, and the instance is silent: one alone may be this process's own pause. 2.4 s at most with the waits. */
  unansweredMax: 2,
  /** A watch that ended is opened again after, ms. */
  watchAgainMs: 500,
} as const;

/** `unknown`: nothing was heard over this connection yet. `silent`: connected, and nobody answers. */
export type HealthState = 'unknown' | 'serving' | 'not_serving' | 'silent';

type Subchannel = experimental.SubchannelInterface;

const bytesAsTheyAre = (bytes: Buffer): Buffer => bytes;

/**
 * Follows an instance's health over the very connection that calls take: a standing Health/Watch tells at once when it drains, and
 * a Health/Check every 800 ms notices one that stands still, which no closed connection tells. grpc-js has neither.
 *
 * Of a server without the health service all is well as long as it is connected.
 */
export class HealthWatch {
  readonly #subchannel: Subchannel;
  readonly #clock: Clock;
  readonly #onChange: () => void;
  #client: Client | undefined;
  #watch: ClientReadableStream<Buffer> | undefined;
  #cancelTimer: Cancel = () => undefined;
  #cancelAgain: Cancel = () => undefined;
  #unanswered = 0;
  #told: HealthState = 'unknown';
  #isClosed = false;

  constructor(subchannel: Subchannel, clock: Clock, onChange: () => void) {
    this.#subchannel = subchannel;
    this.#clock = clock;
    this.#onChange = onChange;
    subchannel.addConnectivityStateListener(this.#onConnectivity);
    this.#follow();
  }

  get isConnected(): boolean {
    return this.#subchannel.getConnectivityState() === connectivityState.READY;
  }

  get state(): HealthState {
    if (this.#told === 'not_serving') return this.#told;
    return this.#unanswered >= HEALTH_TIMES.unansweredMax ? 'silent' : this.#told;
  }

  close(): void {
    this.#isClosed = true;
    this.#subchannel.removeConnectivityStateListener(this.#onConnectivity);
    this.#rest();
  }

  // A new connection is another process, perhaps: nothing of what the old one said holds.
  readonly #onConnectivity = (): void => {
    this.#follow();
    this.#onChange();
  };

  #follow(): void {
    if (this.isConnected === (this.#client !== undefined)) return;
    this.#rest();
    if (!this.isConnected) return;
    this.#client = new Client('health-of-one-connection', credentials.createInsecure(), {
      channelOverride: this.#subchannel.getChannel(),
    });
    this.#openWatch();
    this.#ask();
  }

  #rest(): void {
    this.#cancelTimer();
    this.#cancelAgain();
    this.#watch?.cancel();
    this.#watch = undefined;
    this.#client?.close();
    this.#client = undefined;
    this.#unanswered = 0;
    this.#told = 'unknown';
  }

  #tell(told: HealthState, unanswered: number): void {
    const before = this.state;
    this.#told = told;
    this.#unanswered = unanswered;
    if (this.state !== before) this.#onChange();
  }

  #openWatch(): void {
    const watch = this.#client?.makeServerStreamRequest(HEALTH_WATCH, serializeHealthRequest, bytesAsTheyAre, '');
    if (watch === undefined) return;
    this.#watch = watch;
    const isCurrent = () => !this.#isClosed && this.#watch === watch;
    watch.on('data', (answer: Buffer) => {
      if (isCurrent()) this.#tell(isServingAnswer(answer) ? 'serving' : 'not_serving', this.#unanswered);
    });
    const again = () => {
      if (!isCurrent()) return;
      this.#watch = undefined;
      this.#cancelAgain = this.#clock.after(HEALTH_TIMES.watchAgainMs, () => {
        if (!this.#isClosed && this.#client !== undefined) this.#openWatch();
      });
    };
    watch.on('error', (error: Error & { readonly code?: status }) => {
      if (error.code !== status.UNIMPLEMENTED) return again();
      if (isCurrent()) this.#tell('serving', 0);
    });
    watch.on('end', again);
  }

  #ask(): void {
    const client = this.#client;
    if (client === undefined) return;
    // The deadline of a call of grpc-js outlives the call as a timer that keeps the process.
    const call = client.makeUnaryRequest(HEALTH_CHECK, serializeHealthRequest, bytesAsTheyAre, '', (error) => {
      cancelWait();
      if (this.#isClosed || this.#client !== client) return;
      // Whatever it answers, it answers; what it says of itself is the watch's.
      const isUnanswered = error !== null && error.code === status.CANCELLED;
      this.#tell(this.#told, isUnanswered ? this.#unanswered + 1 : 0);
      this.#cancelTimer = this.#clock.after(HEALTH_TIMES.askEveryMs, () => this.#ask());
    });
    const cancelWait = this.#clock.after(HEALTH_TIMES.answerMsMax, () => call.cancel());
  }
}

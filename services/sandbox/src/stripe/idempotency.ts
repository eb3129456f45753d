import type { Clock } from '@tillmesh/clock';
import type { State } from '../state.ts';
import { refusal, type StripeAnswer } from './answer.ts';

/** The first answer under a key. */
type Kept = {
  /** `account/key`. */
  readonly id: string;
  readonly request: string;
  readonly status: number;
  readonly body: string;
  readonly untilMs: number;
};

/** What Stripe does with Idempotency-Key (docs.stripe.com/api/idempotent_requests). */
export interface IdempotencyKeys {
  /** False where another request with the key is under way. */
  begin(id: string): boolean;
  end(id: string): void;
  /**
   * Carries out a request once. The same request again hears the first answer, whatever it was; another request under
   * the key is refused.
   *
   * @param request method, path and parameters as one text.
   */
  once(id: string, request: string, work: () => StripeAnswer): StripeAnswer;
}

// Nothing is kept of a request that was refused before its work began.
const isKept = ({ status }: StripeAnswer): boolean => status < 400 || status === 402 || status >= 500;

export const createIdempotencyKeys = (deps: {
  readonly state: State;
  readonly clock: Clock;
  readonly keptMs: number;
}): IdempotencyKeys => {
  const { clock, keptMs } = deps;
  const table = deps.state.table<Kept>('stripe_idempotency', ({ id }) => id);
  const underWay = new Set<string>();
  return {
    begin: (id) => {
      if (underWay.has(id)) return false;
      underWay.add(id);
      return true;
    },
    end: (id) => {
      underWay.delete(id);
    },
    once: (id, request, work) => {
      const kept = table.get(id);
      if (kept !== undefined && kept.untilMs > clock.nowMs()) {
        if (kept.request !== request) {
          return refusal(
            400,
            'idempotency_error',
            'Keys for idempotent requests can only be used with the same parameters they were first used with.',
          );
        }
        const body = JSON.parse(kept.body) as StripeAnswer['body'];
        return { status: kept.status, body, replayed: true };
      }
      const answer = work();
      if (isKept(answer)) {
        const { status } = answer;
        table.put({ id, request, status, body: JSON.stringify(answer.body), untilMs: clock.nowMs() + keptMs });
      }
      return answer;
    },
  };
};

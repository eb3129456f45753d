import type { Mesh } from '@tillmesh/local-mesh';
import { PaymentState } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { readLedger } from '../ledger.ts';
import type { ChannelSample } from './channel-load.ts';

const REFUSED: ReadonlySet<PaymentState> = new Set([PaymentState.DECLINED, PaymentState.FAILED, PaymentState.CLOSED]);

/** How many payments were told to their tills as not paid although the channel had taken the money by its own books. */
export const wrongfullyRefused = async (mesh: Mesh, samples: readonly ChannelSample[]): Promise<number> => {
  const ledger = await readLedger(mesh);
  return samples.filter(
    ({ answer }) => answer !== undefined && REFUSED.has(answer.state) && (ledger.get(answer.orderNo)?.charges ?? 0) > 0,
  ).length;
};

import type { BreakerState, Lane } from '@tillmesh/lane';

/** The lanes of endpoints, each made when it is needed first. */
export type EndpointLanes = {
  of(merchantId: string, endpointId: string): Lane;
  /** Undefined where nothing was sent there yet. */
  stateOf(merchantId: string, endpointId: string): BreakerState | undefined;
};

/** @param make one lane; see lanes.ts. */
export const createEndpointLanes = (make: (merchantId: string, endpointId: string) => Lane): EndpointLanes => {
  const lanes = new Map<string, Lane>();
  // Neither id has a slash.
  const nameOf = (merchantId: string, endpointId: string): string => `${merchantId}/${endpointId}`;
  return {
    of: (merchantId, endpointId) => {
      const name = nameOf(merchantId, endpointId);
      const lane = lanes.get(name) ?? make(merchantId, endpointId);
      lanes.set(name, lane);
      return lane;
    },
    stateOf: (merchantId, endpointId) => lanes.get(nameOf(merchantId, endpointId))?.health.breaker,
  };
};

import { experimental } from '@grpc/grpc-js';
import { WATCHED_ROUND_ROBIN } from './watched-balancer.ts';

/**
 * The load-balancing block. grpc-js wants snake_case and {seconds, nanos}; anything else it drops without an error, and all calls go
 * to one address. So assertBalancing reads it back.
 */
export const serviceConfig = {
  loadBalancingConfig: [
    {
      outlier_detection: {
        interval: { seconds: 5, nanos: 0 },
        base_ejection_time: { seconds: 10, nanos: 0 },
        max_ejection_time: { seconds: 60, nanos: 0 },
        max_ejection_percent: 50,
        // Every status but OK counts, refusals of bad input too: only an instance that fails nearly all is ejected.
        failure_percentage_ejection: {
          threshold: 85,
          enforcement_percentage: 100,
          minimum_hosts: 3,
          request_volume: 50,
        },
        child_policy: [{ [WATCHED_ROUND_ROBIN]: {} }],
      },
    },
  ],
};

/**
 * Makes sure that grpc-js takes a load-balancing block as it is meant: with outlier detection around a policy that it knows.
 *
 * @throws {Error} with what it takes it for.
 */
export const assertBalancing = (config: { readonly loadBalancingConfig: readonly object[] }): void => {
  const list = config.loadBalancingConfig.map((each) => ({ ...each })) as unknown as Parameters<
    typeof experimental.selectLbConfigFromList
  >[0];
  const taken = experimental.selectLbConfigFromList(list, true);
  if (taken?.getLoadBalancerName() !== 'outlier_detection') {
    throw new Error(
      `grpc-js takes the load-balancing block for ${taken?.getLoadBalancerName() ?? 'none'}: all calls would go to one address; it wants snake_case and {seconds, nanos}`,
    );
  }
};

import { type ChannelOptions, connectivityState, experimental } from '@grpc/grpc-js';
import { systemClock } from '@tillmesh/clock';
import { endpointCounts } from './endpoint-counts.ts';
import { HealthWatch } from './health-watch.ts';

const {
  BaseSubchannelWrapper,
  ChildLoadBalancerHandler,
  createChildChannelControlHelper,
  parseLoadBalancingConfig,
  PickResultType,
  registerLoadBalancerType,
  subchannelAddressToString,
} = experimental;

/** As the service configuration names it. */
export const WATCHED_ROUND_ROBIN = 'tillmesh_watched_round_robin';

/** Channel option: whom the client calls, for the metrics. */
export const TARGET_OPTION = 'tillmesh.target';

type Helper = experimental.ChannelControlHelper;
type Picker = experimental.Picker;
type Subchannel = experimental.SubchannelInterface;

/** Shows round_robin, which leaves out what is unhealthy, what the balancer knows of the instance behind a connection. */
class WatchedSubchannel extends BaseSubchannelWrapper {
  readonly #onGone: (self: WatchedSubchannel) => void;

  constructor(child: Subchannel, isUsable: boolean, onGone: (self: WatchedSubchannel) => void) {
    super(child);
    this.#onGone = onGone;
    this.setHealthy(isUsable);
  }

  show(isUsable: boolean): void {
    this.setHealthy(isUsable);
  }

  get wrapped(): Subchannel {
    return this.child;
  }

  protected override destroy(): void {
    super.destroy();
    this.#onGone(this);
  }
}

/** Policies further out know the connection by their own wrappers. */
class UnwrappingPicker implements Picker {
  readonly #picker: Picker;

  constructor(picker: Picker) {
    this.#picker = picker;
  }

  pick(args: experimental.PickArgs): experimental.PickResult {
    const picked = this.#picker.pick(args);
    if (picked.pickResultType !== PickResultType.COMPLETE || !(picked.subchannel instanceof WatchedSubchannel)) {
      return picked;
    }
    return { ...picked, subchannel: picked.subchannel.wrapped };
  }
}

type Instance = { readonly watch: HealthWatch; readonly shown: Set<WatchedSubchannel>; isUsable: boolean };

class WatchedConfig implements experimental.TypedLoadBalancingConfig {
  getLoadBalancerName(): string {
    return WATCHED_ROUND_ROBIN;
  }

  toJsonObject(): object {
    return { [WATCHED_ROUND_ROBIN]: {} };
  }

  static createFromJson(): WatchedConfig {
    return new WatchedConfig();
  }
}

/**
 * Round robin over the instances that serve. Where none does, over all that are connected: one that refuses says why, and a machine
 * that stood still for a moment must not cost every call.
 */
class WatchedRoundRobin implements experimental.LoadBalancer {
  readonly #instances = new Map<string, Instance>();
  readonly #child: experimental.ChildLoadBalancerHandler;
  readonly #roundRobin = parseLoadBalancingConfig({ round_robin: {} });
  #forgetCounts: () => void = () => undefined;
  #settling = false;

  constructor(helper: Helper) {
    this.#child = new ChildLoadBalancerHandler(
      createChildChannelControlHelper(helper, {
        createSubchannel: (address, options) =>
          this.#shown(subchannelAddressToString(address), helper.createSubchannel(address, options)),
        updateState: (state, picker, message) =>
          helper.updateState(state, state === connectivityState.READY ? new UnwrappingPicker(picker) : picker, message),
      }),
    );
  }

  updateAddressList(
    endpoints: experimental.StatusOr<experimental.Endpoint[]>,
    config: experimental.TypedLoadBalancingConfig,
    options: ChannelOptions,
    note: string,
  ): boolean {
    if (!(config instanceof WatchedConfig)) return false;
    this.#forgetCounts();
    this.#forgetCounts = endpointCounts.add(String(options[TARGET_OPTION] ?? ''), () => this.#states());
    const isTaken = this.#child.updateAddressList(endpoints, this.#roundRobin, options, note);
    if (endpoints.ok) this.#forgetOthersThan(endpoints.value.flatMap(({ addresses }) => addresses));
    return isTaken;
  }

  exitIdle(): void {
    this.#child.exitIdle();
  }

  resetBackoff(): void {
    this.#child.resetBackoff();
  }

  destroy(): void {
    this.#forgetCounts();
    this.#child.destroy();
    for (const { watch } of this.#instances.values()) watch.close();
    this.#instances.clear();
  }

  getTypeName(): string {
    return WATCHED_ROUND_ROBIN;
  }

  #shown(address: string, subchannel: Subchannel): WatchedSubchannel {
    let instance = this.#instances.get(address);
    if (instance === undefined) {
      const watch = new HealthWatch(subchannel, systemClock, () => this.#settle());
      instance = { watch, shown: new Set(), isUsable: true };
      this.#instances.set(address, instance);
    }
    const { shown, isUsable } = instance;
    const own = new WatchedSubchannel(subchannel, isUsable, (gone) => shown.delete(gone));
    shown.add(own);
    return own;
  }

  #forgetOthersThan(addresses: readonly experimental.SubchannelAddress[]): void {
    const kept = new Set(addresses.map(subchannelAddressToString));
    for (const [address, { watch }] of this.#instances) {
      if (kept.has(address)) continue;
      watch.close();
      this.#instances.delete(address);
    }
    this.#settle();
  }

  #settle(): void {
    // What round_robin does with the first change may be the next one.
    if (this.#settling) return;
    this.#settling = true;
    try {
      const all = [...this.#instances.values()];
      const isServing = ({ watch }: Instance) => watch.isConnected && watch.state === 'serving';
      const isAnyServing = all.some(isServing);
      // Those that serve first: otherwise none would be left for a moment.
      for (const instance of all.toSorted((a, b) => Number(isServing(b)) - Number(isServing(a)))) {
        instance.isUsable = isServing(instance) || !isAnyServing;
        for (const shown of instance.shown) shown.show(instance.isUsable);
      }
    } finally {
      this.#settling = false;
    }
  }

  #states(): readonly string[] {
    return [...this.#instances.values()].map(({ watch }) => (watch.isConnected ? watch.state : 'not_connected'));
  }
}

registerLoadBalancerType(WATCHED_ROUND_ROBIN, WatchedRoundRobin, WatchedConfig);

import type { GroupTag } from '@tillmesh/domain';
import { parseGroupTag } from '@tillmesh/domain';
import {
  type GroupAdministration,
  type GroupMap,
  type GroupState,
  type MoveProgress,
  MoveRefused,
  SCHEMA_VERSION,
} from '@tillmesh/order-groups';
import { CircuitState } from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import type { AskedChange, GroupMapClient } from './group-map-client.ts';

/** What the commands need. */
export type CommandTools = {
  readonly administration: GroupAdministration;
  /** Undefined where the configuration names no order store. */
  readonly store: GroupMapClient | undefined;
  readonly say: (line: string) => void;
  readonly onProgress: (progress: MoveProgress) => void;
};

/** What was typed behind the command's name. */
export type CommandWords = {
  readonly tag: GroupTag | undefined;
  readonly to: GroupTag | undefined;
  /** host:port of every node of a new group. */
  readonly nodes: readonly string[];
  readonly reason: string;
  readonly again: boolean;
  readonly now: boolean;
  readonly migrate: boolean;
};

/** Something was typed wrong: the message says what is missing. */
export class WrongWords extends Error {
  override readonly name = 'WrongWords';
}

/** A tag as it was typed. @throws {WrongWords} */
export const tagOf = (text: string | undefined): GroupTag | undefined => {
  if (text === undefined) return undefined;
  const tag = /^\d{1,3}$/.test(text) ? parseGroupTag(Number(text)) : undefined;
  if (tag === undefined) throw new WrongWords(`${text} is no group tag: 0 to 127`);
  return tag;
};

const needed = <T>(value: T | undefined, what: string): T => {
  if (value === undefined) throw new WrongWords(`${what} is missing`);
  return value;
};

const storeOf = ({ store }: CommandTools): GroupMapClient =>
  needed(store, 'the setting orderStore.target, the address of an order store,');

const describe = (map: GroupMap, tag: GroupTag): string => {
  const group = map.groups.find((candidate) => candidate.tag === tag);
  if (group === undefined) return 'is not on the map';
  return group.successor === undefined ? group.state : `${group.state}, successor ${group.successor}`;
};

const circuitNames: Readonly<Record<number, string>> = {
  [CircuitState.CLOSED]: 'well',
  [CircuitState.OPEN]: 'avoided',
  [CircuitState.PROBING]: 'probed',
};

const show = async ({ administration, store, say }: CommandTools): Promise<void> => {
  const { map } = await administration.map();
  const schemas = new Map((await administration.schemas()).map(({ tag, version }) => [tag, version]));
  const status = await store?.status();
  say(`map version ${map.version}`);
  say('group  state                    schema  health   primary                 note');
  for (const { tag } of map.groups) {
    const seen = status?.groups.find(({ groupTag }) => groupTag === tag);
    const line = [
      String(tag).padStart(5),
      ` ${describe(map, tag).padEnd(23)}`,
      String(schemas.get(tag) ?? '-').padEnd(6),
      ` ${(circuitNames[seen?.circuit ?? 0] ?? '-').padEnd(7)}`,
      ` ${(seen?.primaryEndpoint ?? '-').padEnd(22)}`,
      ` ${seen?.note ?? ''}`,
    ];
    say(line.join(' ').trimEnd());
  }
};

const version = async ({ administration, store, say }: CommandTools): Promise<void> => {
  const { map } = await administration.map();
  const consulted = (await store?.status())?.earlierMapVersions ?? [];
  say(`map version ${map.version}; consulted for numbers of the idempotency window: ${consulted.join(', ') || 'none'}`);
  say(`this program needs schema version ${SCHEMA_VERSION}`);
};

const changeMap = async (
  tools: CommandTools,
  change: Omit<AskedChange, 'expectedVersion'> & { readonly expectedVersion?: number },
): Promise<void> => {
  const expectedVersion = change.expectedVersion ?? (await tools.administration.map()).map.version;
  const { mapVersion, waitingGroupTags } = await storeOf(tools).change({ ...change, expectedVersion });
  const waiting =
    waitingGroupTags.length === 0 ? '' : `; it goes on when these groups answer: ${waitingGroupTags.join(', ')}`;
  tools.say(`group ${change.tag} is ${change.state} by map version ${mapVersion}${waiting}`);
};

const setState =
  (state: GroupState) =>
  async (tools: CommandTools, { tag, reason }: CommandWords): Promise<void> =>
    changeMap(tools, { tag: needed(tag, 'the group’s tag'), state, reason });

const endpointOf = (text: string) => {
  const [, host = '', port = ''] = /^([0-9A-Za-z.-]+):(\d{1,5})$/.exec(text) ?? [];
  if (host === '') throw new WrongWords(`${text} is not host:port`);
  return { host, port: Number(port) };
};

const add = async (tools: CommandTools, words: CommandWords): Promise<void> => {
  const tag = needed(words.tag, 'the new group’s tag');
  if (words.nodes.length === 0) throw new WrongWords('--nodes host:port,… is missing: every node of the group');
  const { map } = await tools.administration.map();
  if (map.groups.some((group) => group.tag === tag)) {
    throw new MoveRefused(
      `group ${tag} is on the map: ${describe(map, tag)}; a new group gets a tag that was never used`,
    );
  }
  const group = { tag, state: 'open' as const, endpoints: words.nodes.map(endpointOf) };
  await tools.administration.migrate([group], (report) => tools.say(`group ${tag} has schema version ${report.to}`));
  await changeMap(tools, { tag, state: 'open', endpoints: words.nodes, reason: words.reason });
};

const migrate = async (tools: CommandTools, words: CommandWords): Promise<void> => {
  const source = needed(words.tag, 'the tag of the group whose orders go');
  const target = needed(words.to, '--to <tag>, the group where they go,');
  const { map } = await tools.administration.map();
  const now = map.groups.find(({ tag }) => tag === source);
  if (now?.state === 'retired' && now.successor === target) {
    tools.say(`group ${source} is retired already: group ${target} has its orders`);
    return;
  }
  const report = await tools.administration.move({
    source,
    target,
    again: words.again,
    onProgress: tools.onProgress,
    changeMap: (state, expectedVersion) =>
      changeMap(tools, { tag: source, state, successor: target, expectedVersion, reason: words.reason }),
  });
  const rows = Object.entries(report.rows).map(([table, count]) => `${count} of ${table}`);
  tools.say(
    `group ${target} has the orders of group ${source}: ${rows.join(', ')}, ${report.claims} claims, ${report.events} kept events`,
  );
  tools.say(`every row was compared; the group took no changes for ${report.closedMs} ms`);
};

/** Whether a retired group's servers may be stopped. */
const retire = async (tools: CommandTools, words: CommandWords): Promise<void> => {
  const tag = needed(words.tag, 'the group’s tag');
  const { map, earlier } = await tools.administration.map();
  const group = map.groups.find((candidate) => candidate.tag === tag);
  if (group?.state !== 'retired') {
    throw new MoveRefused(
      `group ${tag} ${group === undefined ? 'is not on the map' : `is ${group.state}`}: its orders go first, with npm run groups -- migrate ${tag} --to <tag>`,
    );
  }
  const status = await storeOf(tools).status();
  if (status.mapVersion < map.version) {
    throw new MoveRefused(
      `the order store goes by map version ${status.mapVersion}, not ${map.version} yet; ask again`,
    );
  }
  const placing = earlier.filter(
    ({ version: of, groups }) =>
      status.earlierMapVersions.includes(of) && groups.some((one) => one.tag === tag && one.state === 'open'),
  );
  if (placing.length > 0 && !words.now) {
    throw new MoveRefused(
      `map version ${placing.map(({ version: of }) => of).join(', ')} placed orders in group ${tag} within the idempotency window. Its successor answers for them; keep the servers until the window is over, or say --now`,
    );
  }
  const nodes = group.endpoints.map(({ host, port }) => `${host}:${port}`).join(', ');
  tools.say(`the servers of group ${tag} may be stopped: ${nodes}`);
  tools.say(
    'Other order stores and readers follow the map within seconds. Take the group out of no configuration: its tag stays for ever.',
  );
};

const schema = async (tools: CommandTools, words: CommandWords): Promise<void> => {
  const { administration, say } = tools;
  if (words.migrate) {
    const { map } = await administration.map();
    const living = map.groups.filter(({ state }) => state !== 'retired');
    await administration.migrate(living, ({ tag, from, to, partitions }) =>
      say(`group ${tag}: version ${from} → ${to}, ${partitions} days got their partition`),
    );
  }
  const schemas = await administration.schemas();
  for (const { tag, version: has } of schemas)
    say(`group ${tag}: ${has === undefined ? 'does not answer' : `version ${has}`}`);
  say(`this program needs version ${SCHEMA_VERSION}`);
  const behind = schemas.filter(({ version: has }) => has === undefined || has < SCHEMA_VERSION);
  if (behind.length > 0) {
    throw new MoveRefused(
      `${behind.map(({ tag }) => `group ${tag}`).join(', ')}: not at version ${SCHEMA_VERSION}; npm run groups -- schema --migrate`,
    );
  }
};

/** Every command, by its name. */
export const commands: Readonly<
  Record<string, { readonly title: string; readonly run: (tools: CommandTools, words: CommandWords) => Promise<void> }>
> = {
  show: { title: 'every group: state, schema, health', run: show },
  version: { title: 'the version of the map, and those that are still consulted', run: version },
  schema: { title: 'the schema of every group; --migrate brings all to the latest', run: schema },
  add: { title: 'a new group: add <tag> --nodes host:port,host:port,host:port', run: add },
  close: { title: 'no new orders any more: close <tag>', run: setState('closed') },
  open: { title: 'a closed group takes new orders again: open <tag>', run: setState('open') },
  migrate: { title: 'its orders to another group, under load: migrate <tag> --to <tag> [--again]', run: migrate },
  retire: { title: 'whether a retired group’s servers may be stopped: retire <tag> [--now]', run: retire },
};

// Who may know whom (the design's section on layout). To let a package know another, change its row here, in the same
// commit as the dependency in its package.json, and say why in the commit.

/** Our own libraries that a package's sources may import, by their names without `@tillmesh/`. */
export type Row = readonly string[];

const everyService: Row = ['clock', 'config', 'domain', 'lane', 'lane-control', 'proto', 'rpc', 'telemetry', 'wire'];

/** By folder; `*` stands for one name. A library or service without a row may import nothing of ours. */
export const importTable: Readonly<Record<string, Row>> = {
  // The words and rules of payments. Everything may know them, so they know nobody.
  'libs/domain': [],
  'libs/clock': [],
  'libs/config': [],
  'libs/proto': [],
  'libs/telemetry': [],
  'libs/browser': [],
  'libs/lane': ['clock', 'telemetry'],
  'libs/rpc': ['clock', 'proto', 'telemetry'],
  'libs/wire': ['domain', 'proto'],
  'libs/lane-control': ['clock', 'lane', 'proto', 'rpc', 'telemetry'],
  'libs/alarms': ['clock', 'config', 'proto', 'rpc', 'telemetry'],
  'libs/order-groups': ['clock', 'config', 'domain', 'telemetry'],
  // The lists lie in a database as the orders do: the same connections, the same encryption.
  'libs/merchant-lists': ['clock', 'config', 'domain', 'order-groups', 'telemetry'],
  // Events lie in a database as the lists do: the same connections.
  'libs/merchant-events': ['clock', 'config', 'domain', 'merchant-lists', 'order-groups', 'telemetry'],
  'libs/delay-queue': ['clock', 'config', 'telemetry'],
  'libs/channel-contract': ['clock', 'delay-queue', 'telemetry'],
  // A rule over two streams: what the streams come from is not its business.
  'libs/reconciliation': ['domain'],
  'libs/rate-limits': ['clock', 'config', 'delay-queue', 'telemetry'],
  'libs/channel-kit': [
    'channel-contract',
    'clock',
    'config',
    'delay-queue',
    'domain',
    'lane',
    'lane-control',
    'proto',
    'rpc',
    'telemetry',
    'wire',
  ],
  // Starts every service as a process, with the configuration it would have in a cluster; knows none from inside.
  'libs/local-mesh': ['clock', 'config', 'local-stack', 'rpc'],
  'libs/local-stack': ['clock', 'config'],
  'libs/testing': ['clock', 'proto'],

  // Services never know each other: they meet over proto.
  'services/cashier': [...everyService, 'delay-queue', 'rate-limits'],
  // Every adapter alike: a new one is its own folder, and needs no row here.
  'services/channel-*': [...everyService, 'channel-kit'],
  'services/edge': everyService,
  // Tells merchants what the groups' outboxes say; the store of its events lies beside that of the lists.
  'services/notifier': [...everyService, 'alarms', 'delay-queue', 'merchant-events', 'order-groups'],
  // Only who owns the databases' rows may speak to the databases.
  'services/order-store': [...everyService, 'alarms', 'order-groups'],
  // Follows the groups' outboxes; reads them, and writes nothing there.
  'services/projector': [...everyService, 'delay-queue', 'merchant-lists', 'order-groups'],
  'services/query': [...everyService, 'merchant-events', 'merchant-lists', 'order-groups'],
  // Compares the groups' books with bills; reads them, and writes nothing there.
  'services/reconciler': [...everyService, 'alarms', 'delay-queue', 'order-groups', 'reconciliation'],
  'services/routing': everyService,
  // A simulator that shared code with the adapters would only agree with them: not the kit, not the wire.
  // From `testing` it has the certificate that it shows where a channel is trusted by TLS alone.
  'services/sandbox': ['clock', 'config', 'domain', 'telemetry', 'testing'],
  'services/syncer': [...everyService, 'alarms', 'delay-queue', 'rate-limits'],
  // Reads what the lanes say of themselves over proto; it has none and moves no money.
  'services/watch': ['clock', 'config', 'proto', 'rpc', 'telemetry'],

  // A caller from outside: what it takes to make a payment and to look at it.
  'services/payment-check': ['clock', 'proto', 'rpc'],

  // What a caller has: the protos, a client for them, and what it takes to wait and to trace.
  examples: ['clock', 'proto', 'rpc', 'telemetry'],
};

/** The key of a folder's row: the folder itself, or the family it belongs to. */
export const rowKeyOf = (folder: string): string => folder.replace(/^services\/channel-.+$/, 'services/channel-*');

/** What every package's tests may import besides its own row and the libraries among its devDependencies. */
export const testsMayImport: Row = ['clock', 'local-stack', 'telemetry', 'testing'];

/** What only generated code imports, which the rules do not read. */
export const importedByGeneratedCode: Readonly<Record<string, Row>> = { 'libs/proto': ['@bufbuild/protobuf'] };

/** What the root's package.json must list although no file imports it: programs that are run, and types. */
export const toolsOfRoot: Readonly<Record<string, string>> = {
  '@biomejs/biome': 'run by scripts/quality-checks.ts and scripts/format.ts',
  '@bufbuild/buf': 'run by scripts/generated-code.ts',
  '@bufbuild/protoc-gen-es': 'run by buf, as buf.gen.yaml says',
  '@types/opossum': 'the types of opossum, which a bench measures',
  '@types/pngjs': 'the types of pngjs, with which a test reads the picture of a code',
  '@types/qrcode': 'the types of qrcode, which draws codes',
  '@types/yauzl': 'the types of yauzl, which reads the archives of bills',
  '@types/yazl': 'the types of yazl, with which the sandbox makes them',
  '@types/node': 'the types of Node, named in tsconfig.json',
  oxlint: 'run by scripts/quality-checks.ts',
  'oxlint-tsgolint': 'the type-aware rules of oxlint',
  typescript: 'run by scripts/quality-checks.ts',
};

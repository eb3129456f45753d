// What the tests of channels share: `@tillmesh/channel-kit/contract`.

export { type Issued, issueCertificate } from '@tillmesh/testing/issued-certificate';
export { selfSigned } from '@tillmesh/testing/self-signed';
export { gbkOf, zipOf } from './bill-files.ts';
export { type EndedProcess, startAndStop } from './channel-process.ts';
export type { ChannelWorld, Fault, FaultyOperation, Payer, SentNotification } from './channel-world.ts';
export { contractSuite } from './contract-suite.ts';
export { type SandboxKeys, type SandboxProcess, startSandboxProcess } from './sandbox-process.ts';
export { type SandboxWorldOptions, startSandboxWorld } from './sandbox-world.ts';
export { type Simulator, startWorld, type WorldOptions } from './simulated-world.ts';
export { vectorsOf } from './vectors.ts';

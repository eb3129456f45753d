// What the tests of channels share: `@tillmesh/channel-kit/contract`.

export { selfSigned } from './self-signed.ts';
export { vectorsOf } from './vectors.ts';

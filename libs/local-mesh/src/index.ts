export { endWhenInterrupted } from './end-when-interrupted.ts';
export { readGeneratedKeys } from './generated-keys.ts';
export {
  accountOfChannel,
  type FurtherChannel,
  type MeshProcess,
  type RepeatableService,
  SERVICES,
  type ServiceName,
} from './mesh-plan.ts';
export { LISTENERS, type Listener, type MeshPorts } from './mesh-ports.ts';
export { MERCHANTS, simulatedSide } from './service-configs.ts';
export {
  type Leaving,
  type Mesh,
  type MeshOptions,
  ownerOfMesh,
  startMesh,
  stopMesh,
} from './start-mesh.ts';

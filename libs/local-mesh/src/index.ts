export { LISTENERS, type Listener, type MeshPorts } from './mesh-ports.ts';
export { MERCHANTS } from './service-configs.ts';
export {
  type Mesh,
  type MeshOptions,
  ownerOfMesh,
  SERVICES,
  type ServiceName,
  startMesh,
  stopMesh,
} from './start-mesh.ts';

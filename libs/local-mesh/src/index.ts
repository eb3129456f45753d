export { LISTENERS, type Listener, type MeshPorts } from './mesh-ports.ts';
export { MERCHANTS } from './service-configs.ts';
export { type Mesh, type MeshOptions, type ServiceName, SERVICES, startMesh } from './start-mesh.ts';

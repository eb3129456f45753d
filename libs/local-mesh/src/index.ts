export { LISTENERS, type Listener, type MeshPorts } from './mesh-ports.ts';
export { MERCHANTS } from './service-configs.ts';
export { type Mesh, type MeshOptions, SERVICES, type ServiceName, startMesh } from './start-mesh.ts';

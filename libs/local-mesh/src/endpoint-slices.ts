import { createServer, type ServerResponse } from 'node:http';
import type { MeshProcess } from './mesh-plan.ts';

/** Namespace and port's name of a mesh's services. */
const NAMESPACE = 'mesh';
const PORT_NAME = 'grpc';

/** Of a process as its callers see it: an ending one still answers. */
type Condition = 'ready' | 'ending';

/** Tells who asks which processes a mesh has, as much as EndpointSlices of Kubernetes tell it, on loopback. */
export type SlicesApi = {
  /** Under what name its clients find a service. */
  target(service: string): string;
  set(process: MeshProcess, condition: Condition): void;
  remove(process: MeshProcess): void;
  close(): Promise<void>;
};

type Watch = { readonly service: string; readonly response: ServerResponse };

const HOST = '127.0.0.1';
const LIST = new RegExp(`^/apis/discovery.k8s.io/v1/namespaces/${NAMESPACE}/endpointslices$`);
const SELECTOR = /^kubernetes\.io\/service-name=([a-z0-9-]+)$/;

/** Starts it on a free port. */
export const openSlicesApi = async (): Promise<SlicesApi> => {
  const slices = new Map<string, { readonly service: string; readonly slice: object }>();
  const watches = new Set<Watch>();
  let version = 1;
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', `http://${HOST}`);
    const [, service] = SELECTOR.exec(searchParams.get('labelSelector') ?? '') ?? [];
    if (!LIST.test(pathname) || service === undefined) {
      response.writeHead(404).end();
      return;
    }
    if (searchParams.get('watch') === '1') {
      response.writeHead(200);
      response.flushHeaders();
      const watch = { service, response };
      watches.add(watch);
      response.on('close', () => watches.delete(watch));
      // What happened between its list and now.
      if (searchParams.get('resourceVersion') !== String(version)) {
        response.write(`${JSON.stringify({ type: 'ERROR', object: { code: 410, reason: 'Expired' } })}\n`);
      }
      return;
    }
    const items = [...slices.values()].filter((each) => each.service === service).map(({ slice }) => slice);
    response.end(JSON.stringify({ metadata: { resourceVersion: String(version) }, items }));
  });
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const tell = (service: string, type: 'MODIFIED' | 'DELETED', object: object): void => {
    for (const watch of watches) {
      if (watch.service === service) watch.response.write(`${JSON.stringify({ type, object })}\n`);
    }
  };
  const sliceOf = ({ name, clientPort }: MeshProcess, condition: Condition): object => {
    version += 1;
    const isReady = condition === 'ready';
    return {
      metadata: { name, resourceVersion: String(version) },
      addressType: 'IPv4',
      ports: [{ name: PORT_NAME, port: clientPort }],
      endpoints: [{ addresses: [HOST], conditions: { ready: isReady, serving: true, terminating: !isReady } }],
    };
  };
  return {
    target: (service) => `kubernetes://${HOST}:${port}/${service}.${NAMESPACE}:${PORT_NAME}`,
    set: (process, condition) => {
      const slice = sliceOf(process, condition);
      slices.set(process.name, { service: process.service, slice });
      tell(process.service, 'MODIFIED', slice);
    },
    remove: (process) => {
      const slice = sliceOf(process, 'ending');
      slices.delete(process.name);
      tell(process.service, 'DELETED', slice);
    },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
};

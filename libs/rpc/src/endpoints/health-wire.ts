// grpc.health.v1: HealthCheckRequest { string service = 1 }, HealthCheckResponse { ServingStatus status = 1 }.

export const HEALTH_CHECK = '/grpc.health.v1.Health/Check';
export const HEALTH_WATCH = '/grpc.health.v1.Health/Watch';

const SERVING = 1;
const SERVICE_CHARS_MAX = 127;

/** @param service at most 127 characters of ASCII; empty for the server as a whole. */
export const serializeHealthRequest = (service: string): Buffer => {
  const name = Buffer.from(service);
  if (name.length > SERVICE_CHARS_MAX) throw new RangeError(`a service's name has at most ${SERVICE_CHARS_MAX} bytes`);
  return name.length === 0 ? name : Buffer.concat([Buffer.from([0x0a, name.length]), name]);
};

/** Whether a HealthCheckResponse says SERVING. */
export const isServingAnswer = (answer: Buffer): boolean => answer[0] === 0x08 && answer[1] === SERVING;

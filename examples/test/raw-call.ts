import { connect, type IncomingHttpHeaders } from 'node:http2';
import { Metadata, status } from '@grpc/grpc-js';
import { type RpcError, toRpcError } from '@tillmesh/rpc';

/**
 * The refusal of a call as bytes on the wire, for what no gRPC library would send: a deadline that is over when it is sent.
 *
 * @param timeout the header grpc-timeout, such as 1m for one millisecond
 */
export const refusalOnTheWire = (
  address: string,
  call: { readonly path: string; readonly message: Uint8Array; readonly timeout: string },
): Promise<RpcError> =>
  new Promise((resolve, reject) => {
    const session = connect(`http://${address}`);
    session.once('error', reject);
    const stream = session.request({
      ':method': 'POST',
      ':path': call.path,
      'content-type': 'application/grpc+proto',
      te: 'trailers',
      'grpc-timeout': call.timeout,
    });
    // A message is preceded by one byte, 0 for not compressed, and its length in four.
    const head = Buffer.alloc(5);
    head.writeUInt32BE(call.message.length, 1);
    const told = new Map<string, string>();
    const note = (headers: IncomingHttpHeaders) => {
      for (const [name, value] of Object.entries(headers)) if (typeof value === 'string') told.set(name, value);
    };
    stream.on('response', note);
    stream.on('trailers', note);
    stream.once('error', reject);
    stream.once('close', () => {
      session.close();
      const metadata = new Metadata();
      const details = told.get('grpc-status-details-bin');
      if (details !== undefined) metadata.set('grpc-status-details-bin', Buffer.from(details, 'base64'));
      const code = Number(told.get('grpc-status') ?? status.UNKNOWN);
      const text = told.get('grpc-message') ?? '';
      resolve(toRpcError(Object.assign(new Error(text), { code, details: text, metadata })));
    });
    stream.resume();
    stream.end(Buffer.concat([head, call.message]));
  });

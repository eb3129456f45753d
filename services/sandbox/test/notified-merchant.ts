import { createServer, type IncomingHttpHeaders } from 'node:http';

export type Heard = { readonly headers: IncomingHttpHeaders; readonly body: string };
/** `undefined` never answers. */
export type Reaction = { readonly status: number; readonly body: string } | undefined;

/** A merchant's web server that hears notifications and answers as it is told; then as it was told last. */
export const notifiedMerchant = async (first: Reaction, ...rest: readonly Reaction[]) => {
  const heard: Heard[] = [];
  const reactions = [first, ...rest];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const reaction = reactions[Math.min(heard.length, reactions.length - 1)];
      heard.push({ headers: request.headers, body: Buffer.concat(chunks).toString() });
      if (reaction !== undefined) response.writeHead(reaction.status).end(reaction.body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}/notify`,
    heard,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};

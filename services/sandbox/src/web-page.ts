import type { HttpAnswer } from './http-server.ts';

/** What a proxy in front of a channel shows. */
export const pageReply = (status: number): HttpAnswer => {
  const title = status === 200 ? 'Welcome' : `${status} Error`;
  return {
    kind: 'answer',
    status,
    headers: { 'content-type': 'text/html' },
    body: Buffer.from(
      `<html>\n<head><title>${title}</title></head>\n<body>\n<center><h1>${title}</h1></center>\n</body>\n</html>\n`,
    ),
  };
};

import { createSocket } from 'node:dgram';
import { onTestFinished } from 'vitest';

const HEADER_BYTES = 12;
const CLASS_IN = 1;
const TYPE_A = 1;
const NXDOMAIN = 3;

/** Name and type of the one question that a DNS message asks (RFC 1035, section 4). */
const questionOf = (message: Buffer): { readonly name: string; readonly type: number; readonly end: number } => {
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (let length = message[at] ?? 0; length > 0; length = message[at] ?? 0) {
    labels.push(message.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.'), type: message.readUInt16BE(at + 1), end: at + 5 };
};

/** A small DNS server that knows addresses of version 4, until the test ends. */
export const aDnsServer = async (records: Map<string, readonly string[]>): Promise<{ readonly address: string }> => {
  const socket = createSocket('udp4');
  socket.on('message', (message, { port, address }) => {
    const { name, type, end } = questionOf(message);
    const known = records.get(name);
    const answers = type === TYPE_A ? (known ?? []) : [];
    const header = Buffer.alloc(HEADER_BYTES);
    header.writeUInt16BE(message.readUInt16BE(0), 0);
    // An answer, with recursion as if there were any.
    header.writeUInt16BE(0x8180 | (known === undefined ? NXDOMAIN : 0), 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(answers.length, 6);
    const rows = answers.map((host) => {
      const row = Buffer.alloc(16);
      // The name is that of the question.
      row.writeUInt16BE(0xc000 | HEADER_BYTES, 0);
      row.writeUInt16BE(TYPE_A, 2);
      row.writeUInt16BE(CLASS_IN, 4);
      row.writeUInt16BE(4, 10);
      row.set(host.split('.').map(Number), 12);
      return row;
    });
    socket.send(Buffer.concat([header, message.subarray(HEADER_BYTES, end), ...rows]), port, address);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  onTestFinished(() => new Promise((resolve) => socket.close(() => resolve())));
  return { address: `127.0.0.1:${socket.address().port}` };
};

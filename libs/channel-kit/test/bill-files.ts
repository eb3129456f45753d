import { buffer } from 'node:stream/consumers';
import iconv from 'iconv-lite';
import { ZipFile } from 'yazl';

/** A text as files of Chinese channels hold it. */
export const gbkOf = (text: string): Buffer => iconv.encode(text, 'gbk');

/** A zip file. */
export const zipOf = async (files: readonly (readonly [name: string, bytes: Buffer])[]): Promise<Buffer> => {
  const zip = new ZipFile();
  for (const [name, bytes] of files) zip.addBuffer(bytes, name);
  zip.end();
  return buffer(zip.outputStream);
};

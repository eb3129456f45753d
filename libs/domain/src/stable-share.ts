const BASIS = 0x81_1c_9d_c5;
const PRIME = 0x01_00_01_93;

/** FNV-1a with the last mix of MurmurHash3: without it texts that differ in their last digit alone lie close together. */
const hash32 = (text: string): number => {
  let hash = BASIS;
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), PRIME);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85_eb_ca_6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2_b2_ae_35);
  return (hash ^ (hash >>> 16)) >>> 0;
};

/**
 * Whether a text belongs to a share of all texts. The same text always does or never; one that belongs to a share belongs to every
 * larger one. Another salt chooses other texts.
 *
 * @param percent 0 to 100.
 */
export const isInShare = (salt: string, text: string, percent: number): boolean =>
  hash32(`${salt}\n${text}`) < (percent / 100) * 2 ** 32;

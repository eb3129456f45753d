import { takeScreenshot } from '@tillmesh/browser';
import type { Mesh } from '@tillmesh/local-mesh';

/** A window in which the sick lanes and their neighbours fit, and whose picture is small. */
const WINDOW = { width: 1_200, height: 720 };

/**
 * Writes what the live page of a mesh shows now into a PNG file. A browser takes a core for some seconds: not while something is
 * measured.
 *
 * @throws {Error} where there is no Chromium, or no lane of that name opens within 15 s.
 */
export const pictureOfLanes = (options: {
  readonly mesh: Mesh;
  readonly file: string;
  /** The lane that has to be open in it. */
  readonly openLane: string;
  readonly env: NodeJS.ProcessEnv;
}): Promise<void> => {
  const { mesh, file, openLane, env } = options;
  const url = `http://${mesh.address('watch-http')}/`;
  const waitFor = { selector: '.tile[data-severity="open"]', text: openLane };
  return takeScreenshot({ url, file, env, waitFor, ...WINDOW });
};

import { findInConfigs } from './config-check.ts';
import { type Edge, edgesOf } from './edges.ts';
import { findInPolicies } from './policy-check.ts';
import { type Manifest, render } from './render.ts';
import { findByRules } from './rules.ts';
import { type ServiceSchemas, serviceSchemas } from './service-schemas.ts';
import type { ValuesFile } from './values-files.ts';
import { createWalk, type Finding } from './walk.ts';

const RELEASE = 'pay';

/** Judges what the chart renders. */
export type Judge = {
  /** Renders a file at a version of Kubernetes, and finds what is wrong about the objects. */
  right(file: ValuesFile, kubeVersion?: string): Promise<readonly Finding[]>;
  /** What is wrong about a file that has to be refused: nothing where it is, in its words. */
  wrong(file: ValuesFile): Promise<string | undefined>;
  /** What is wrong about objects. */
  objects(manifests: readonly Manifest[]): readonly Finding[];
};

/** Loads the schemas of Kubernetes and of the services. */
export const createJudge = async (): Promise<Judge> => {
  const walk = createWalk();
  const schemas: ServiceSchemas = await serviceSchemas();
  const edges: readonly Edge[] = edgesOf(schemas);
  const objects = (manifests: readonly Manifest[]): readonly Finding[] => {
    const unknown = manifests.flatMap(walk);
    // The others read fields as they should be.
    return unknown.length > 0
      ? unknown
      : [...findByRules(manifests), ...findInConfigs(manifests, schemas), ...findInPolicies(manifests, RELEASE, edges)];
  };
  return {
    objects,
    right: async ({ options }, kubeVersion) => {
      const rendered = await render({
        ...options,
        ...(kubeVersion === undefined ? {} : { kubeVersion }),
        release: RELEASE,
      });
      if (rendered.kind === 'refused') return [{ object: '', rule: 'render', what: rendered.message }];
      return objects(rendered.manifests);
    },
    wrong: async ({ options, says }) => {
      if (says === '') return 'does not say what helm has to say: begin it with # says: …';
      const rendered = await render(options);
      if (rendered.kind === 'rendered') return `is rendered, and should be refused with: ${says}`;
      // Helm's frames around the message say nothing to who wrote the values.
      return rendered.message.replaceAll('\n', ' ').includes(says)
        ? undefined
        : `should say: ${says}\nand says: ${rendered.message}`;
    },
  };
};

/** Pods made from a template, and the hash that distinguishes templates. */
import type { Draft } from '../../api/meta.ts';
import type { Pod } from '../../api/resources.gen.ts';
import type * as core from '../../api/types/core-v1.gen.ts';
import { controllerReference, type Owner } from '../adoption.ts';

/** A pod of the template, named by the server after its owner. */
export function podFromTemplate(template: core.PodTemplateSpec, owner: Owner): Draft<Pod> {
  const { labels, annotations, finalizers } = template.metadata ?? {};
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      generateName: `${owner.object.metadata.name}-`,
      namespace: owner.object.metadata.namespace,
      ...(labels && { labels: { ...labels } }),
      ...(annotations && { annotations: { ...annotations } }),
      ...(finalizers && { finalizers: [...finalizers] }),
      ownerReferences: [controllerReference(owner)],
    },
    spec: template.spec,
  } as Draft<Pod>;
}

const canonicalTexts = new WeakMap<object, string>();

/** JSON with sorted keys, without undefined values. Cached, for objects that are never changed. */
export function canonicalJson(value: object): string {
  let text = canonicalTexts.get(value);
  if (text === undefined) {
    text = JSON.stringify(sorted(value));
    canonicalTexts.set(value, text);
  }
  return text;
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, item]) => [key, sorted(item)]));
}

const safeAlphabet = 'bcdfghjklmnpqrstvwxz2456789';

/** A short name for some content: FNV-1a in decimal digits, with characters that form no words. */
function safeHash(text: string): string {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return [...String(hash)].map((digit) => safeAlphabet[digit.charCodeAt(0) % safeAlphabet.length]).join('');
}

/** The hash by which a template's ReplicaSet or revision is named; `collisions` changes it when a name is taken. */
export function templateHash(template: object, collisions: number | undefined): string {
  return safeHash(canonicalJson(template) + (collisions ? String(collisions) : ''));
}

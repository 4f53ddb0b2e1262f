/** Short forms of the rules of roles. */
import type { Role } from '../resources.gen.ts';

export type PolicyRule = NonNullable<Role['rules']>[number];

export const read = 'get,list,watch';
export const write = 'create,delete,deletecollection,patch,update';
export const everything = 'create,delete,deletecollection,get,list,patch,update,watch';

/** Comma-separated verbs, API groups (the first of `,events.k8s.io` is the core group) and resources. */
export function allow(verbs: string, groups: string, resources: string, resourceNames?: string): PolicyRule {
  return {
    verbs: verbs.split(','),
    apiGroups: groups.split(','),
    resources: resources.split(','),
    ...(resourceNames && { resourceNames: resourceNames.split(',') }),
  };
}

export function allowPaths(verbs: string, paths: string): PolicyRule {
  return { verbs: verbs.split(','), nonResourceURLs: paths.split(',') };
}

export const events = [allow('create,patch,update', ',events.k8s.io', 'events')];
export const reviewsOfAccess = [
  allow('create', 'authentication.k8s.io', 'tokenreviews'),
  allow('create', 'authorization.k8s.io', 'subjectaccessreviews'),
];

/**
 * The priorities of the APIServices of built-in groups: upstream's numbers, by which clients choose among groups and
 * versions. Groups of custom resources come after all of these.
 */

const groupPriorities: Readonly<Record<string, number>> = {
  '': 18_000,
  extensions: 17_900,
  apps: 17_800,
  'events.k8s.io': 17_750,
  'authentication.k8s.io': 17_700,
  'authorization.k8s.io': 17_600,
  autoscaling: 17_500,
  batch: 17_400,
  'certificates.k8s.io': 17_300,
  'networking.k8s.io': 17_200,
  policy: 17_100,
  'rbac.authorization.k8s.io': 17_000,
  'storage.k8s.io': 16_800,
  'admissionregistration.k8s.io': 16_700,
  'apiextensions.k8s.io': 16_700,
  'scheduling.k8s.io': 16_600,
  'coordination.k8s.io': 16_500,
  'node.k8s.io': 16_300,
  'discovery.k8s.io': 16_200,
  'resource.k8s.io': 16_200,
  'flowcontrol.apiserver.k8s.io': 16_100,
  'internal.apiserver.k8s.io': 16_000,
  'storagemigration.k8s.io': 15_800,
};

/** Where a version's number is not what its name says. */
const versionPriorities: Readonly<Record<string, number>> = {
  '/v1': 1,
  'autoscaling/v2': 30,
  'flowcontrol.apiserver.k8s.io/v1': 21,
  'flowcontrol.apiserver.k8s.io/v1beta3': 18,
  'flowcontrol.apiserver.k8s.io/v1beta2': 15,
  'flowcontrol.apiserver.k8s.io/v1beta1': 12,
  'resource.k8s.io/v1': 21,
};

const customGroupPriority = 1_000;
const customVersionPriority = 100;

export function prioritiesOf(group: string, version: string) {
  const own = Object.hasOwn(groupPriorities, group) ? groupPriorities[group] : undefined;
  return {
    groupPriorityMinimum: own ?? customGroupPriority,
    versionPriority: own === undefined ? customVersionPriority : versionPriority(group, version),
  };
}

function versionPriority(group: string, version: string): number {
  const known = versionPriorities[`${group}/${version}`];
  if (known !== undefined) return known;
  if (version.includes('alpha')) return 1;
  return version.includes('beta') ? 9 : 15;
}

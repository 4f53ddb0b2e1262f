/** What the restricted level of the Pod Security Standards forbids beyond the baseline, in upstream's words. */
import {
  capabilitiesBaseline,
  hostPathVolumes,
  procMount,
  procMountAlways,
  seccompBaseline,
} from './baseline.ts';
import { type Check, distinct, hasOwnUsers, isWindows, naming, quoted } from './check.ts';

export const allowPrivilegeEscalation: Check = {
  level: 'restricted',
  since: 8,
  run(pod, containers, minor) {
    if (isWindows(pod, minor)) return undefined;
    const bad = containers.filter(
      ({ securityContext }) => securityContext?.allowPrivilegeEscalation !== false,
    );
    if (bad.length === 0) return undefined;
    return {
      reason: 'allowPrivilegeEscalation != false',
      detail: `${naming(bad)} must set securityContext.allowPrivilegeEscalation=false`,
    };
  },
};

export const capabilitiesRestricted: Check = {
  level: 'restricted',
  since: 22,
  replaces: capabilitiesBaseline,
  run(pod, containers, minor) {
    if (isWindows(pod, minor)) return undefined;
    const undropped = containers.filter(
      ({ securityContext }) => !securityContext?.capabilities?.drop?.includes('ALL'),
    );
    const adding = containers.filter(({ securityContext }) =>
      securityContext?.capabilities?.add?.some((name) => name !== 'NET_BIND_SERVICE'),
    );
    const details: string[] = [];
    if (undropped.length > 0)
      details.push(`${naming(undropped)} must set securityContext.capabilities.drop=["ALL"]`);
    if (adding.length > 0) {
      const names = distinct(
        adding.flatMap((one) =>
          one.securityContext!.capabilities!.add!.filter((name) => name !== 'NET_BIND_SERVICE'),
        ),
      ).sort();
      details.push(`${naming(adding)} must not include ${quoted(names)} in securityContext.capabilities.add`);
    }
    if (details.length === 0) return undefined;
    return { reason: 'unrestricted capabilities', detail: details.join('; ') };
  },
};

export const procMountRestricted: Check = {
  ...procMountAlways,
  level: 'restricted',
  since: 35,
  replaces: procMount,
};

const allowedVolumes = new Set([
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'image',
  'persistentVolumeClaim',
  'projected',
  'secret',
]);

export const restrictedVolumes: Check = {
  level: 'restricted',
  replaces: hostPathVolumes,
  run({ spec }) {
    const bad = (spec?.volumes ?? [])
      .map(({ name, ...source }) => ({ name, type: Object.keys(source)[0] ?? 'emptyDir' }))
      .filter(({ type }) => !allowedVolumes.has(type));
    if (bad.length === 0) return undefined;
    const types = distinct(bad.map(({ type }) => type)).sort();
    const names = quoted(bad.map(({ name }) => name));
    const subject = bad.length === 1 ? `volume ${names} uses` : `volumes ${names} use`;
    const noun = types.length === 1 ? 'restricted volume type' : 'restricted volume types';
    return { reason: 'restricted volume types', detail: `${subject} ${noun} ${quoted(types)}` };
  },
};

export const runAsNonRoot: Check = {
  level: 'restricted',
  run(pod, containers, minor) {
    if (hasOwnUsers(pod, minor)) return undefined;
    const { spec } = pod;
    const ofPod = spec?.securityContext?.runAsNonRoot;
    const explicit = containers.filter(({ securityContext }) => securityContext?.runAsNonRoot === false);
    const details: string[] = [];
    if (ofPod === false) details.push('pod');
    if (explicit.length > 0) details.push(naming(explicit));
    if (details.length > 0)
      return {
        reason: 'runAsNonRoot != true',
        detail: `${details.join(' and ')} must not set securityContext.runAsNonRoot=false`,
      };
    if (ofPod === true) return undefined;
    const unset = containers.filter(({ securityContext }) => securityContext?.runAsNonRoot !== true);
    if (unset.length === 0) return undefined;
    return {
      reason: 'runAsNonRoot != true',
      detail: `pod or ${naming(unset)} must set securityContext.runAsNonRoot=true`,
    };
  },
};

export const runAsUser: Check = {
  level: 'restricted',
  since: 23,
  run(pod, containers, minor) {
    if (hasOwnUsers(pod, minor)) return undefined;
    const { spec } = pod;
    const setters: string[] = [];
    if (spec?.securityContext?.runAsUser === 0) setters.push('pod');
    const bad = containers.filter(({ securityContext }) => securityContext?.runAsUser === 0);
    if (bad.length > 0) setters.push(naming(bad));
    if (setters.length === 0) return undefined;
    return { reason: 'runAsUser=0', detail: `${setters.join(' and ')} must not set runAsUser=0` };
  },
};

export const seccompRestricted: Check = {
  level: 'restricted',
  since: 19,
  replaces: seccompBaseline,
  run(pod, containers, minor) {
    if (isWindows(pod, minor)) return undefined;
    const forbidden = seccompBaseline.run(pod, containers, minor);
    if (forbidden) return forbidden;
    if (pod.spec?.securityContext?.seccompProfile) return undefined;
    const unset = containers.filter(({ securityContext }) => !securityContext?.seccompProfile);
    if (unset.length === 0) return undefined;
    return {
      reason: 'seccompProfile',
      detail: `pod or ${naming(unset)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"`,
    };
  },
};

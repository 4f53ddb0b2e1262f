/** The community's groups need an approval, which an annotation of their definitions names. */
import type { CustomResourceDefinition } from '../resources.gen.ts';

export const approvalAnnotation = 'api-approved.kubernetes.io';
const hint = 'see https://github.com/kubernetes/enhancements/pull/1111';

export interface Approval {
  isGiven: boolean;
  reason: 'MissingAnnotation' | 'InvalidAnnotation' | 'UnapprovedAnnotation' | 'ApprovedAnnotation';
  message: string;
}

/** Undefined for groups that need none. */
export function approvalOf({ metadata, spec }: CustomResourceDefinition): Approval | undefined {
  if (!/(^|\.)(k8s|kubernetes)\.io$/.test(spec.group ?? '')) return undefined;
  const text = metadata.annotations?.[approvalAnnotation] ?? '';
  const needed = `protected groups must have approval annotation "${approvalAnnotation}"`;
  if (text === '') return { isGiven: false, reason: 'MissingAnnotation', message: `${needed}, ${hint}` };
  if (text.startsWith('unapproved'))
    return {
      isGiven: false,
      reason: 'UnapprovedAnnotation',
      message: `not approved: ${JSON.stringify(text)}`,
    };
  if (URL.canParse(text) && new URL(text).host)
    return { isGiven: true, reason: 'ApprovedAnnotation', message: `approved in ${text}` };
  const either = 'with either a URL or a reason starting with "unapproved"';
  return { isGiven: false, reason: 'InvalidAnnotation', message: `${needed} ${either}, ${hint}` };
}

/** What a node may change of its own Node object. */
import type { Node } from '../../../api/resources.gen.ts';
import { semanticEqual } from '../../../api/validation/equality.ts';
import {
  architectureLabel,
  firstArchitectureLabel,
  firstInstanceTypeLabel,
  firstOsLabel,
  firstRegionLabel,
  firstZoneLabel,
  hostnameLabel,
  instanceTypeLabel,
  osLabel,
  regionLabel,
  zoneLabel,
} from '../../../api/well-known.ts';
import { type NodeRequest, refuse } from './request.ts';

const restrictedDomain = 'node-restriction.kubernetes.io';
/** Labels of these domains a node may set on itself; the domains' other labels belong to administrators. */
const ownLabels = new Set([
  hostnameLabel,
  architectureLabel,
  osLabel,
  firstArchitectureLabel,
  firstOsLabel,
  firstInstanceTypeLabel,
  instanceTypeLabel,
  firstRegionLabel,
  firstZoneLabel,
  'failure-domain.kubernetes.io/region',
  'failure-domain.kubernetes.io/zone',
  regionLabel,
  zoneLabel,
]);
const ownLabelDomains = ['kubelet.kubernetes.io', 'node.kubernetes.io'];

export function checkNode(request: NodeRequest): void {
  const { node, attributes } = request;
  const { operation } = attributes;
  const name = attributes.request.name || attributes.object?.metadata.name || '';
  const who = `node ${JSON.stringify(node)}`;
  if (name !== node) throw refuse(request, `${who} is not allowed to modify node ${JSON.stringify(name)}`);
  const next = attributes.object as Node | undefined;
  if (operation === 'CREATE') {
    if (next?.spec?.configSource)
      throw refuse(request, `${who} is not allowed to create pods with a non-nil configSource`);
    const labels = restrictedLabels(next?.metadata.labels, undefined);
    if (labels) throw refuse(request, `${who} is not allowed to set the following labels: ${labels}`);
  }
  if (operation === 'UPDATE') checkUpdate(request, next, attributes.old as Node | undefined);
}

function checkUpdate(request: NodeRequest, next: Node | undefined, before: Node | undefined): void {
  const who = `node ${JSON.stringify(request.node)}`;
  const source = next?.spec?.configSource;
  if (source && !semanticEqual(source, before?.spec?.configSource))
    throw refuse(request, `${who} is not allowed to update configSource to a new non-nil configSource`);
  if (!semanticEqual(next?.spec?.taints, before?.spec?.taints))
    throw refuse(request, `${who} is not allowed to modify taints`);
  if (!semanticEqual(next?.metadata.ownerReferences, before?.metadata.ownerReferences))
    throw refuse(request, `${who} is not allowed to modify ownerReferences`);
  const labels = restrictedLabels(next?.metadata.labels, before?.metadata.labels);
  if (labels) throw refuse(request, `is not allowed to modify labels: ${labels}`);
}

type Labels = Record<string, string>;

/** Those that changed and are not the node's to change, as text. */
function restrictedLabels(next: Labels = {}, before: Labels = {}): string {
  const keys = new Set([...Object.keys(next), ...Object.keys(before)]);
  return [...keys]
    .filter((key) => next[key] !== before[key] && isRestricted(key))
    .sort()
    .join(', ');
}

function isRestricted(label: string): boolean {
  const slash = label.indexOf('/');
  if (slash < 0) return false;
  const domain = label.slice(0, slash);
  const isWithin = (suffix: string) => domain === suffix || domain.endsWith(`.${suffix}`);
  if (isWithin(restrictedDomain)) return true;
  if (!['kubernetes.io', 'k8s.io'].some(isWithin) || ownLabels.has(label)) return false;
  return !ownLabelDomains.some(isWithin);
}

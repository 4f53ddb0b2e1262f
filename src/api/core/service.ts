/** Services: defaults and printing; `service/update.ts` has what an update carries over, `service/validation.ts` the rules. */
import { ageColumn, column, formatLabels, nameColumn, wideColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { Service } from '../resources.gen.ts';
import type { ServicePort } from '../types/core-v1.gen.ts';
import { type FieldErrors, forbiddenField } from '../validation/field-error.ts';
import { nameRule } from '../validation/fields.ts';
import { dnsLabelProblems } from '../validation/names.ts';
import { validateLoadBalancerStatus } from './load-balancer-status.ts';
import { validateServiceAddressesUpdate } from './service/addresses.ts';
import { carryOverAllocated, dropWhatTypeDoesNotHave, isExternallyAccessible } from './service/update.ts';
import { validateService, validateServiceUpdate } from './service/validation.ts';
import { serviceWarnings } from './service/warnings.ts';

const affinitySecondsDefault = 10800;

export const serviceKind = defineKind(Service, {
  returnsDeleted: true,
  createsOnUpdate: true,
  storagePrefix: 'services/specs',
  status: 'separate',
  columns: [
    nameColumn,
    column('Type', (service) => service.spec?.type ?? ''),
    column('Cluster-IP', (service) => service.spec?.clusterIPs?.[0] || service.spec?.clusterIP || '<none>'),
    column('External-IP', externalAddressCell),
    column('Port(s)', (service) => (service.spec?.ports ?? []).map(portText).join(',') || '<none>'),
    ageColumn,
    wideColumn('Selector', (service) => formatLabels(service.spec?.selector)),
  ],
  validateName: nameRule(dnsLabelProblems),
  defaults: defaultService,
  prepareCreate(service) {
    service.status = { loadBalancer: {} };
    alignClusterIps(service);
    chooseFamilies(service);
  },
  prepareUpdate(service, old) {
    dropWhatTypeDoesNotHave(service, old);
    carryOverAllocated(service, old);
    alignClusterIps(service);
    chooseFamilies(service);
  },
  *validate(service, { subresource }) {
    if (subresource === 'status') yield* validateServiceStatus(service);
    else yield* validateService(service);
  },
  updateRulesFirst: true,
  *validateUpdate(service, old, { subresource }) {
    if (subresource === 'status') return;
    yield* validateServiceAddressesUpdate(service.spec ?? {}, old.spec ?? {});
    yield* validateServiceUpdate(service, old);
  },
  warnings: serviceWarnings,
  selectableFields: (service) => ({
    'spec.clusterIP': service.spec?.clusterIP ?? '',
    'spec.type': service.spec?.type ?? '',
  }),
});

function defaultService(service: Service): void {
  const spec = service.spec;
  if (!spec) return;
  spec.sessionAffinity ||= 'None';
  if (spec.sessionAffinity === 'None') delete spec.sessionAffinityConfig;
  else if (spec.sessionAffinity === 'ClientIP') {
    spec.sessionAffinityConfig ??= {};
    spec.sessionAffinityConfig.clientIP ??= {};
    spec.sessionAffinityConfig.clientIP.timeoutSeconds ??= affinitySecondsDefault;
  }
  spec.type ||= 'ClusterIP';
  for (const port of spec.ports ?? []) {
    port.protocol ||= 'TCP';
    if (!port.targetPort && port.targetPort !== port.port) port.targetPort = port.port;
  }
  const external = isExternallyAccessible(spec);
  if (external) spec.externalTrafficPolicy ||= 'Cluster';
  if (external || spec.type === 'ClusterIP') spec.internalTrafficPolicy ??= 'Cluster';
  if (spec.type === 'LoadBalancer') spec.allocateLoadBalancerNodePorts ??= true;
}

/** The single address and the first of the list are the same thing. */
function alignClusterIps(service: Service): void {
  const spec = service.spec;
  if (!spec) return;
  if (spec.clusterIP && !spec.clusterIPs?.length) spec.clusterIPs = [spec.clusterIP];
}

function* validateServiceStatus({ spec, status }: Service): FieldErrors {
  if (spec?.type !== 'LoadBalancer' && status?.loadBalancer?.ingress?.length)
    yield forbiddenField(
      'status.loadBalancer.ingress',
      "may only be used when `spec.type` is 'LoadBalancer'",
    );
  else yield* validateLoadBalancerStatus(status);
}

/** IPv4 only; a headless Service without a selector leaves both families to the author of its endpoints. */
function chooseFamilies(service: Service): void {
  const spec = service.spec;
  if (!spec || spec.type === 'ExternalName') return;
  const open = spec.clusterIP === 'None' && Object.keys(spec.selector ?? {}).length === 0;
  spec.ipFamilyPolicy ??= open ? 'RequireDualStack' : 'SingleStack';
  if (!spec.ipFamilies?.length) spec.ipFamilies = ['IPv4'];
  if (open && spec.ipFamilies.length < 2 && spec.ipFamilyPolicy !== 'SingleStack')
    spec.ipFamilies = [spec.ipFamilies[0]!, spec.ipFamilies[0] === 'IPv4' ? 'IPv6' : 'IPv4'];
}

function portText(port: ServicePort): string {
  return port.nodePort ? `${port.port}:${port.nodePort}/${port.protocol}` : `${port.port}/${port.protocol}`;
}

const balancerWidth = 16;

function externalAddressCell(service: Service): string {
  const externalIps = service.spec?.externalIPs ?? [];
  switch (service.spec?.type) {
    case 'ExternalName':
      return service.spec.externalName ?? '';
    case 'LoadBalancer': {
      const points = (service.status?.loadBalancer?.ingress ?? []).map(
        (point) => point.ip || point.hostname || '',
      );
      const text = [...new Set(points)].sort().join(',');
      const balancer = text.length > balancerWidth ? `${text.slice(0, balancerWidth - 3)}...` : text;
      return [...(balancer ? [balancer] : []), ...externalIps].join(',') || '<pending>';
    }
    default:
      return externalIps.join(',') || '<none>';
  }
}

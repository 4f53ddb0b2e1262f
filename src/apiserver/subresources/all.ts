/** The table of all subresources of built-in kinds. */
import type { Random } from '../../base/random.ts';
import type { NodeConnector } from '../nodes/node-connector.ts';
import type { ObjectReader } from '../object-reader.ts';
import type { Security } from '../security.ts';
import { admitted, type ConnectKind } from './connect.ts';
import { type SubresourceHandler, SubresourceHandlers } from './handlers.ts';
import { bindingType, serveBinding } from './pods/binding.ts';
import { evictionType, serveEviction } from './pods/eviction.ts';
import { serveLog } from './pods/log.ts';
import { serveAttach, serveExec, servePortForward } from './pods/streaming.ts';
import { serveProxy } from './proxy/proxy.ts';
import { rollbackVersions, serveRollback } from './rollback.ts';
import { serveSameObject } from './same-object.ts';
import { scaleType, serveScale } from './scale.ts';
import { serveToken, tokenRequestType } from './token.ts';

const readAndWrite: readonly string[] = ['get', 'patch', 'update'];

export interface SubresourceOptions {
  security: Security;
  objects: ObjectReader;
  nodes: NodeConnector;
  random: Random;
}

/** Any method may be proxied. */
const proxyVerbs: readonly string[] = ['create', 'delete', 'get', 'patch', 'update'];
const streamVerbs: readonly string[] = ['create', 'get'];

export function createSubresources(options: SubresourceOptions): SubresourceHandlers {
  const { security, objects } = options;
  const handlers = new SubresourceHandlers();
  handlers.add(
    { name: 'status', verbs: readAndWrite },
    (definition) => definition.status === 'separate',
    serveSameObject(readAndWrite),
  );
  handlers.add(
    { name: 'scale', verbs: readAndWrite, type: scaleType },
    (definition) => definition.scale !== undefined,
    serveScale,
  );
  handlers.add({ name: 'finalize', verbs: ['update'] }, 'namespaces', serveSameObject(['update']));
  handlers.add({ name: 'binding', verbs: ['create'], type: bindingType }, 'pods', serveBinding);
  handlers.add(
    { name: 'token', verbs: ['create'], type: tokenRequestType },
    'serviceaccounts',
    serveToken(security, objects),
  );
  handlers.add(
    { name: 'approval', verbs: readAndWrite },
    'certificates.k8s.io/certificatesigningrequests',
    serveSameObject(readAndWrite),
  );
  for (const version of rollbackVersions) {
    const [group = '', number = ''] = version.split('/');
    const type = { group, version: number, kind: 'DeploymentRollback' };
    handlers.add(
      { name: 'rollback', verbs: ['create'], type, versions: [version] },
      'apps/deployments',
      serveRollback,
    );
  }
  handlers.add({ name: 'eviction', verbs: ['create'], type: evictionType }, 'pods', serveEviction(objects));
  handlers.add({ name: 'ephemeralcontainers', verbs: readAndWrite }, 'pods', serveSameObject(readAndWrite));
  handlers.add({ name: 'resize', verbs: readAndWrite }, 'pods', serveSameObject(readAndWrite));
  addConnections(handlers, options);
  return handlers;
}

/** Subresources that lead into nodes. */
function addConnections(handlers: SubresourceHandlers, options: SubresourceOptions): void {
  const { nodes } = options;
  handlers.add({ name: 'log', verbs: ['get'] }, 'pods', serveLog(nodes));
  const connect = (path: string, kind: ConnectKind, handler: SubresourceHandler) => {
    const [plural = '', name = ''] = path.split('/');
    const type = { group: '', version: 'v1', kind };
    const verbs = name === 'proxy' ? proxyVerbs : streamVerbs;
    handlers.add({ name, verbs, type }, plural, admitted(kind, handler));
  };
  connect('pods/exec', 'PodExecOptions', serveExec(nodes));
  connect('pods/attach', 'PodAttachOptions', serveAttach(nodes));
  connect('pods/portforward', 'PodPortForwardOptions', servePortForward(nodes));
  connect('pods/proxy', 'PodProxyOptions', serveProxy('pods', options));
  connect('services/proxy', 'ServiceProxyOptions', serveProxy('services', options));
  connect('nodes/proxy', 'NodeProxyOptions', serveProxy('nodes', options));
}

/** Every subresource of the built-in kinds. */
import type { ObjectReader } from '../object-reader.ts';
import type { Security } from '../security.ts';
import { serveBinding } from './binding.ts';
import { SubresourceHandlers } from './handlers.ts';
import { serveSameObject } from './same-object.ts';
import { scaleType, serveScale } from './scale.ts';
import { serveToken, tokenRequestType } from './token.ts';

const readAndWrite: readonly string[] = ['get', 'patch', 'update'];

export function createSubresources(security: Security, objects: ObjectReader): SubresourceHandlers {
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
  handlers.add(
    { name: 'binding', verbs: ['create'], type: { group: '', version: 'v1', kind: 'Binding' } },
    'pods',
    serveBinding,
  );
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
  handlers.add({ name: 'ephemeralcontainers', verbs: readAndWrite }, 'pods', serveSameObject(readAndWrite));
  handlers.add({ name: 'resize', verbs: readAndWrite }, 'pods', serveSameObject(readAndWrite));
  return handlers;
}

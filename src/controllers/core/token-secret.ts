/** Secrets of type kubernetes.io/service-account-token: filled with a token, and deleted with their account. */
import { Secret, ServiceAccount } from '../../api/resources.gen.ts';
import { undefinedIfNotFound } from '../../api/status.ts';
import { type AnyController, defineController, watch } from '../../client/controller/controller.ts';

export type IssueSecretToken = (
  namespace: string,
  secretName: string,
  serviceAccount: { name: string; uid: string },
) => string | Promise<string>;

const secretType = 'kubernetes.io/service-account-token';
const nameAnnotation = 'kubernetes.io/service-account.name';
const uidAnnotation = 'kubernetes.io/service-account.uid';

function accountOf(secret: Secret): string | undefined {
  return secret.type === secretType ? secret.metadata.annotations?.[nameAnnotation] : undefined;
}

/** `ca`: PEM of the cluster's certificate authority. */
export function tokenSecretController(issue: IssueSecretToken, ca: string): AnyController {
  return defineController({
    name: 'serviceaccount_tokens_service',
    component: 'serviceaccount-token-controller',
    reconciles: Secret,
    concerns: (secret: Secret) => secret.type === secretType,
    watches: [
      watch(ServiceAccount, function* ({ metadata }, old, informers) {
        if (old && old.metadata.uid === metadata.uid && old.metadata !== metadata) return;
        for (const secret of informers.of(Secret).inNamespace(metadata.namespace ?? ''))
          if (accountOf(secret) === metadata.name) yield `${metadata.namespace}/${secret.metadata.name}`;
      }),
    ],
    async reconcile(key, cluster, signal) {
      const secret = cluster.get(Secret, key);
      const name = secret && accountOf(secret);
      if (!name || secret.metadata.deletionTimestamp) return;
      const { namespace = '', annotations } = secret.metadata;
      const cached = cluster.get(ServiceAccount, `${namespace}/${name}`);
      // Otherwise only the server's answer counts: the cache may lack the account, or still show an earlier one of its
      // name, for which no token must be issued and no secret deleted.
      const account =
        cached && cached.metadata.uid === annotations?.[uidAnnotation]
          ? cached
          : await cluster.client.get(ServiceAccount, { name, namespace }, signal).catch(undefinedIfNotFound);
      const act = planTokenSecret(secret, account, ca);
      if (act === 'delete') await cluster.delete(Secret, secret, signal);
      if (act !== 'fill') return;
      const { uid } = account!.metadata;
      const token = secret.data?.token
        ? undefined
        : await issue(namespace, secret.metadata.name, { name, uid });
      await cluster.update(Secret, filledSecret(secret, { uid, token, ca }), signal);
    },
  });
}

/** `account`: of the name that the secret has; another may have had it when the secret was filled. */
export function planTokenSecret(
  { metadata, data = {} }: Secret,
  account: ServiceAccount | undefined,
  ca: string,
): 'delete' | 'fill' | 'keep' {
  const uid = metadata.annotations?.[uidAnnotation];
  if (!account || (uid && uid !== account.metadata.uid)) return 'delete';
  return uid && data.token && data.namespace && data['ca.crt'] === encode(ca) ? 'keep' : 'fill';
}

/** `uid`: the account's. `token`: to replace that of the secret, if any. */
export function filledSecret(
  secret: Secret,
  { uid, token, ca }: { uid: string; token: string | undefined; ca: string },
): Secret {
  const { metadata, data } = secret;
  return {
    ...secret,
    metadata: { ...metadata, annotations: { ...metadata.annotations, [uidAnnotation]: uid } },
    data: {
      ...data,
      ...(token !== undefined && { token: encode(token) }),
      'ca.crt': encode(ca),
      namespace: encode(metadata.namespace ?? ''),
    },
  };
}

function encode(text: string): string {
  return Buffer.from(text).toString('base64');
}

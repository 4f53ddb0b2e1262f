/** The backends of an ingress proxy: for each service that an Ingress names, its servers and how they are asked. */
import { keyOf } from '../../../api/meta.ts';
import type { EndpointSlice, Ingress, Secret, Service } from '../../../api/resources.gen.ts';
import { computeBackends } from '../../proxy/service-backends.ts';
import type { IngressSettings } from '../settings.ts';
import { type PasswordUser, passwordUsersOf } from './password-users.ts';
import type { PathMatch } from './path-match.ts';
import type { Problems } from './problems.ts';

export interface Backend {
  name: string;
  /** The `address:port` of endpoints, or one host name for an ExternalName service. */
  servers: string[];
  isExternalName: boolean;
  settings: IngressSettings;
  /** Present when a password is required. Empty: no user is admitted. */
  users: PasswordUser[] | undefined;
  /** The host has a certificate, so plain requests may be redirected to HTTPS. */
  hasTls: boolean;
  /** With a rewrite: what the whole path is replaced by. */
  rewrite?: Rewrite;
}

interface Rewrite {
  pattern: string;
  target: string;
}

export type IngressBackend = NonNullable<NonNullable<Ingress['spec']>['defaultBackend']>;

/** What one path of an Ingress asks for. */
export interface WantedBackend {
  settings: IngressSettings;
  backend: IngressBackend;
  hasTls: boolean;
  /** As written in the rule. */
  path?: string | undefined;
  match: PathMatch['match'];
}

/** What the cluster says of services and users. By `namespace/name`. */
export interface BackendInput {
  service(key: string): Service | undefined;
  slicesOf(serviceKey: string): readonly EndpointSlice[];
  secret(key: string): Secret | undefined;
}

export class Backends {
  readonly byName = new Map<string, Backend>();
  readonly #input: BackendInput;
  readonly #problems: Problems;

  constructor(input: BackendInput, problems: Problems) {
    this.#input = input;
    this.#problems = problems;
  }

  /** The name of the backend; undefined, with a problem recorded, when the Ingress names none that can be served. */
  add(ingress: Ingress, wanted: WantedBackend): string | undefined {
    const { settings, hasTls, path = '/', match } = wanted;
    const { service: reference } = wanted.backend;
    if (!reference) {
      this.#problems.add(ingress, 'UnsupportedBackend', 'backends other than services are not supported');
      return undefined;
    }
    const rewrite = settings.rewriteTarget ? rewriteOf(path, match, settings.rewriteTarget) : undefined;
    const { number, name: portName } = reference.port ?? {};
    const parts = [
      keyOf(ingress).replace('/', '_'),
      reference.name,
      number ?? portName ?? '',
      rewrite ? path.replaceAll(/[^\w]/g, '-') : '',
      hasTls ? 'tls' : '',
    ];
    const name = this.#freeName(parts.filter((part) => part !== '').join('_'), rewrite);
    if (!this.byName.has(name))
      this.byName.set(name, {
        name,
        ...this.#servers(ingress, reference),
        settings,
        users: this.#users(ingress, settings),
        hasTls,
        ...(rewrite ? { rewrite } : {}),
      });
    return name;
  }

  /** Paths of one Ingress that are called alike (`/a-b`, `/a/b`) are still rewritten each in its own way. */
  #freeName(named: string, rewrite: Rewrite | undefined): string {
    for (let number = 1; ; number++) {
      const name = number === 1 ? named : `${named}_${number}`;
      const present = this.byName.get(name);
      if (!present || present.rewrite?.pattern === rewrite?.pattern) return name;
    }
  }

  #servers(
    ingress: Ingress,
    reference: NonNullable<IngressBackend['service']>,
  ): Pick<Backend, 'servers' | 'isExternalName'> {
    const none = { servers: [], isExternalName: false };
    const key = `${ingress.metadata.namespace}/${reference.name}`;
    const service = this.#input.service(key);
    if (!service) {
      this.#problems.add(ingress, 'ServiceNotFound', `service "${key}" does not exist`);
      return none;
    }
    const { number, name } = reference.port ?? {};
    const { type, externalName, ports = [] } = service.spec ?? {};
    if (type === 'ExternalName')
      return number && externalName ? { servers: [`${externalName}:${number}`], isExternalName: true } : none;
    const port = ports.find((each) => (name ? each.name === name : each.port === number));
    if (!port) {
      this.#problems.add(ingress, 'ServicePortNotFound', `service "${key}" has no port ${name ?? number}`);
      return none;
    }
    const { cluster } = computeBackends(port, this.#input.slicesOf(key), { name: '' });
    return { servers: cluster.map((each) => `${each.address}:${each.port}`), isExternalName: false };
  }

  #users(ingress: Ingress, { basicAuth }: IngressSettings): PasswordUser[] | undefined {
    return basicAuth && passwordUsersOf(ingress, basicAuth, (key) => this.#input.secret(key), this.#problems);
  }
}

/** nginx' rewrite: the whole path becomes the target, in which `$1` and so on stand for groups of the path. */
function rewriteOf(path: string, match: PathMatch['match'], target: string): Rewrite {
  const pattern = match === 'regex' ? path : path.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return { pattern: `^${pattern}`, target };
}

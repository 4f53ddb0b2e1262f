/**
 * Decides what an ingress proxy serves: from Ingresses, services, their endpoints and secrets to routes, backends and
 * certificates, with a sentence for everything that cannot be served. Pure; a problem affects nothing but its own part.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { keyOf } from '../../api/meta.ts';
import type { EndpointSlice, Ingress, IngressClass, Secret, Service } from '../../api/resources.gen.ts';
import { ingressClassAnnotation } from '../../api/well-known.ts';
import { computeBackends } from '../proxy/rules.ts';
import { isRegex } from '../regex.ts';
import { type IngressSettings, parseSettings } from './settings.ts';

export const controllerName = 'k8s.io/ingress-nginx';

export interface RoutingInput {
  ingresses: readonly Ingress[];
  classes: readonly IngressClass[];
  service(key: string): Service | undefined;
  slicesOf(serviceKey: string): readonly EndpointSlice[];
  secret(key: string): Secret | undefined;
}

export interface Routing {
  /** By key of their Ingress, oldest first. */
  routes: Route[];
  backends: Map<string, Backend>;
  certificates: Certificate[];
  problems: Problem[];
  /** Keys of the Ingresses of this controller. */
  served: string[];
}

export interface Route {
  ingress: string;
  /** `''`: any host; `*.example.org`: one label before. Lower case. */
  host: string;
  path: string;
  match: 'exact' | 'prefix' | 'regex';
  backend: string;
  canaries: { backend: string; canary: NonNullable<IngressSettings['canary']> }[];
}

export interface Backend {
  name: string;
  /** The `address:port` of endpoints, or one host name for an ExternalName service. */
  servers: string[];
  isExternalName: boolean;
  settings: IngressSettings;
  /** Lines of an htpasswd file; present when a password is required. Empty: no user is admitted. */
  users: { name: string; hash: string }[] | undefined;
  /** The host has a certificate, so plain requests may be redirected to HTTPS. */
  hasTls: boolean;
  /** With a rewrite: what the whole path is replaced by. */
  rewrite?: { pattern: string; target: string };
}

export interface Certificate {
  /** The key of the secret. */
  key: string;
  hosts: string[];
  /** Certificate chain and private key. */
  pem: string;
}

export interface Problem {
  ingress: string;
  reason: string;
  message: string;
}

/** Ingresses that this controller serves: those of its classes, or without any. */
export function isServed(ingress: Ingress, classes: Iterable<IngressClass>): boolean {
  const ours = new Set(
    [...classes]
      .filter(({ spec }) => spec?.controller === controllerName)
      .map(({ metadata }) => metadata.name),
  );
  const name = ingress.spec?.ingressClassName ?? ingress.metadata.annotations?.[ingressClassAnnotation];
  return name === undefined || name === '' || ours.has(name);
}

export function computeRouting(input: RoutingInput): Routing {
  const builder = new RoutingBuilder(input);
  const { classes } = input;
  const ingresses = [...input.ingresses]
    .filter((ingress) => !ingress.metadata.deletionTimestamp && isServed(ingress, classes))
    .sort(byAge);
  // Canaries join routes of other Ingresses, which must exist first.
  const isCanary = (ingress: Ingress) => settingsOf(ingress).settings.canary !== undefined;
  for (const ingress of ingresses) if (!isCanary(ingress)) builder.add(ingress);
  for (const ingress of ingresses) if (isCanary(ingress)) builder.addCanary(ingress);
  return { ...builder.routing, served: ingresses.map(keyOf) };
}

function settingsOf(ingress: Ingress) {
  return parseSettings(ingress.metadata.annotations ?? {});
}

function byAge(a: Ingress, b: Ingress): number {
  const [first, second] = [a, b].map((each) => `${each.metadata.creationTimestamp} ${keyOf(each)}`);
  return first! < second! ? -1 : 1;
}

/** What the paths of one host share. */
interface Place {
  settings: IngressSettings;
  host: string;
  hasTls: boolean;
}

interface WantedBackend {
  settings: IngressSettings;
  backend: IngressBackend;
  hasTls: boolean;
  /** As written in the rule. */
  path?: string | undefined;
  match: Route['match'];
}

type IngressSpec = NonNullable<Ingress['spec']>;
type IngressBackend = NonNullable<IngressSpec['defaultBackend']>;
type HttpPath = NonNullable<NonNullable<NonNullable<IngressSpec['rules']>[number]['http']>['paths']>[number];

class RoutingBuilder {
  readonly routing: Omit<Routing, 'served'> = {
    routes: [],
    backends: new Map(),
    certificates: [],
    problems: [],
  };
  readonly #input: RoutingInput;
  readonly #claimed = new Map<string, Route>();

  constructor(input: RoutingInput) {
    this.#input = input;
  }

  add(ingress: Ingress): void {
    const key = keyOf(ingress);
    const { settings, problems } = settingsOf(ingress);
    for (const message of problems) this.#problem(key, 'InvalidAnnotation', message);
    const tlsHosts = this.#certificates(ingress);
    for (const rule of ingress.spec?.rules ?? []) {
      const host = (rule.host ?? '').toLowerCase();
      const place = { settings, host, hasTls: tlsHosts.has(host) };
      for (const path of rule.http?.paths ?? []) this.#path(ingress, path, place);
      if (ingress.spec?.defaultBackend && host !== '') this.#default(ingress, place);
    }
    if (ingress.spec?.defaultBackend && !ingress.spec.rules?.some(({ host }) => host))
      this.#default(ingress, { settings, host: '', hasTls: tlsHosts.has('') });
  }

  /** A canary takes a share of what an older Ingress gets for the same host and path. */
  addCanary(ingress: Ingress): void {
    const key = keyOf(ingress);
    const { settings, problems } = settingsOf(ingress);
    for (const message of problems) this.#problem(key, 'InvalidAnnotation', message);
    for (const rule of ingress.spec?.rules ?? []) {
      for (const path of rule.http?.paths ?? []) {
        const host = (rule.host ?? '').toLowerCase();
        const { match, path: at } = matchOf(path, settings);
        const main = this.#claimed.get(`${host} ${match} ${at}`);
        if (!main) {
          this.#problem(
            key,
            'CanaryWithoutMain',
            `no other Ingress serves ${host || '*'}${at}, which this canary joins`,
          );
          continue;
        }
        const of = this.routing.backends.get(main.backend)!;
        const backend = this.#backend(ingress, {
          settings: { ...of.settings, canary: settings.canary! },
          backend: path.backend,
          hasTls: of.hasTls,
          path: path.path,
          match,
        });
        if (backend) main.canaries.push({ backend, canary: settings.canary! });
      }
    }
  }

  #path(ingress: Ingress, path: HttpPath, { settings, host, hasTls }: Place): void {
    const { match, path: at } = matchOf(path, settings);
    const problem = pathProblem(at, match);
    if (problem) {
      this.#problem(keyOf(ingress), 'InvalidPath', `path ${JSON.stringify(at)} ${problem}`);
      return;
    }
    const backend = this.#backend(ingress, {
      settings,
      backend: path.backend,
      hasTls,
      path: path.path,
      match,
    });
    if (backend)
      this.#claim(ingress, { ingress: keyOf(ingress), host, path: at, match, backend, canaries: [] });
  }

  #default(ingress: Ingress, { settings, host, hasTls }: Place): void {
    if (this.#claimed.has(`${host} prefix /`)) return;
    const backend = this.#backend(ingress, {
      settings,
      backend: ingress.spec!.defaultBackend!,
      hasTls,
      match: 'prefix',
    });
    if (backend)
      this.#claim(ingress, {
        ingress: keyOf(ingress),
        host,
        path: '/',
        match: 'prefix',
        backend,
        canaries: [],
      });
  }

  #claim(ingress: Ingress, route: Route): void {
    const id = `${route.host} ${route.match} ${route.path}`;
    const owner = this.#claimed.get(id);
    if (owner) {
      if (owner.ingress !== route.ingress)
        this.#problem(
          keyOf(ingress),
          'Conflict',
          `host "${route.host || '*'}" and path "${route.path}" are already defined in ingress ${owner.ingress}`,
        );
      return;
    }
    this.#claimed.set(id, route);
    this.routing.routes.push(route);
  }

  /** Returns the backend's name; undefined, with a problem recorded, when the Ingress names none that can be served. */
  #backend(ingress: Ingress, wanted: WantedBackend): string | undefined {
    const { settings, hasTls, path: at = '/', match } = wanted;
    const key = keyOf(ingress);
    const { service: reference } = wanted.backend;
    if (!reference) {
      this.#problem(key, 'UnsupportedBackend', 'backends other than services are not supported');
      return undefined;
    }
    const rewrite = settings.rewriteTarget ? rewriteOf(at, match, settings.rewriteTarget) : undefined;
    const { number, name: portName } = reference.port ?? {};
    const named = [
      key.replace('/', '_'),
      reference.name,
      number ?? portName ?? '',
      rewrite ? at.replaceAll(/[^\w]/g, '-') : '',
      hasTls ? 'tls' : '',
    ]
      .filter((part) => part !== '')
      .join('_');
    const name = this.#freeName(named, rewrite);
    if (!this.routing.backends.has(name)) {
      const resolved = this.#servers(key, ingress.metadata.namespace!, reference);
      this.routing.backends.set(name, {
        name,
        ...resolved,
        settings,
        users: this.#users(ingress, settings),
        hasTls,
        ...(rewrite ? { rewrite } : {}),
      });
    }
    return name;
  }

  /** Paths of one Ingress that are called alike (`/a-b`, `/a/b`) are still rewritten each in its own way. */
  #freeName(named: string, rewrite: Backend['rewrite']): string {
    for (let number = 1; ; number++) {
      const name = number === 1 ? named : `${named}_${number}`;
      const present = this.routing.backends.get(name);
      if (!present || present.rewrite?.pattern === rewrite?.pattern) return name;
    }
  }

  #servers(
    ingress: string,
    namespace: string,
    reference: NonNullable<IngressBackend['service']>,
  ): Pick<Backend, 'servers' | 'isExternalName'> {
    const none = { servers: [], isExternalName: false };
    const serviceKey = `${namespace}/${reference.name}`;
    const service = this.#input.service(serviceKey);
    if (!service) {
      this.#problem(ingress, 'ServiceNotFound', `service "${serviceKey}" does not exist`);
      return none;
    }
    const { number, name } = reference.port ?? {};
    if (service.spec?.type === 'ExternalName') {
      return number && service.spec.externalName
        ? { servers: [`${service.spec.externalName}:${number}`], isExternalName: true }
        : none;
    }
    const port = (service.spec?.ports ?? []).find((each) =>
      name ? each.name === name : each.port === number,
    );
    if (!port) {
      this.#problem(ingress, 'ServicePortNotFound', `service "${serviceKey}" has no port ${name ?? number}`);
      return none;
    }
    const { cluster } = computeBackends(port, this.#input.slicesOf(serviceKey), { name: '' });
    return { servers: cluster.map((each) => `${each.address}:${each.port}`), isExternalName: false };
  }

  #users(ingress: Ingress, { basicAuth }: IngressSettings): Backend['users'] {
    if (!basicAuth) return undefined;
    const { namespace = '' } = ingress.metadata;
    const key = basicAuth.secret.includes('/') ? basicAuth.secret : `${namespace}/${basicAuth.secret}`;
    // As ingress-nginx: who may write Ingresses in one namespace is not let into the secrets of another.
    if (!key.startsWith(`${namespace}/`)) {
      const message = `secret "${key}" with the users is of another namespace`;
      this.#problem(keyOf(ingress), 'InvalidSecret', message);
      return [];
    }
    const data = this.#input.secret(key)?.data;
    if (!data || (!basicAuth.isMap && !data.auth)) {
      this.#problem(
        keyOf(ingress),
        'InvalidSecret',
        `secret "${key}" with the users ${data ? 'has no key auth' : 'does not exist'}`,
      );
      return [];
    }
    if (basicAuth.isMap)
      return Object.entries(data).map(([name, hash]) => ({ name, hash: decode(hash).trim() }));
    return decode(data.auth!)
      .split('\n')
      .flatMap((line) => {
        const [name, hash] = line.trim().split(':');
        return name && hash ? [{ name, hash }] : [];
      });
  }

  /** Hosts of the Ingress that have a certificate. */
  #certificates(ingress: Ingress): Set<string> {
    const hosts = new Set<string>();
    for (const { hosts: named, secretName } of ingress.spec?.tls ?? []) {
      const covered = (named?.length ? named : (ingress.spec?.rules ?? []).map(({ host }) => host ?? '')).map(
        (host) => host.toLowerCase(),
      );
      for (const host of covered) hosts.add(host);
      if (!secretName) continue;
      const key = `${ingress.metadata.namespace}/${secretName}`;
      const pem = readCertificate(this.#input.secret(key));
      if ('problem' in pem) {
        this.#problem(
          keyOf(ingress),
          'InvalidCertificate',
          `secret "${key}" ${pem.problem}; the default certificate is used`,
        );
        continue;
      }
      this.routing.certificates.push({ key, hosts: covered.filter(Boolean), pem: pem.pem });
    }
    return hosts;
  }

  #problem(ingress: string, reason: string, message: string): void {
    const { problems } = this.routing;
    if (!problems.some((each) => each.ingress === ingress && each.message === message))
      problems.push({ ingress, reason, message });
  }
}

function matchOf(
  { path = '/', pathType }: HttpPath,
  settings: IngressSettings,
): { match: Route['match']; path: string } {
  const at = path === '' ? '/' : path;
  const usesGroups = settings.rewriteTarget !== undefined && /[()[\]*+?|^$\\]/.test(at);
  if (pathType !== 'Exact' && (settings.useRegex || usesGroups)) return { match: 'regex', path: at };
  if (pathType === 'Exact') return { match: 'exact', path: at };
  return { match: 'prefix', path: at.length > 1 ? at.replace(/\/+$/, '') : at };
}

/**
 * An entry of the proxy's maps ends at a line break, and its key at white space: what follows would be another's route.
 */
function pathProblem(path: string, match: Route['match']): string | undefined {
  // White space within a regular expression is escaped.
  const unfit = match === 'regex' ? /[^\S ]|\p{Cc}/u : /\s|\p{Cc}/u;
  if (unfit.test(path)) return 'has white space or control characters';
  return match === 'regex' && !isRegex(path) ? 'is no regular expression' : undefined;
}

/** nginx' rewrite: the whole path becomes the target, in which `$1` and so on stand for groups of the path. */
function rewriteOf(path: string, match: Route['match'], target: string): NonNullable<Backend['rewrite']> {
  const pattern = match === 'regex' ? path : path.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return { pattern: `^${pattern}`, target };
}

/** Whether chain and key, if present, can be read and belong together. */
function readCertificate(secret: Secret | undefined): { pem: string } | { problem: string } {
  if (!secret) return { problem: 'does not exist' };
  const { 'tls.crt': chain, 'tls.key': key } = secret.data ?? {};
  if (!chain || !key) return { problem: 'has no tls.crt and tls.key' };
  const pem = { chain: decode(chain), key: decode(key) };
  try {
    if (!new X509Certificate(pem.chain).checkPrivateKey(createPrivateKey(pem.key)))
      return { problem: 'has a key that does not belong to its certificate' };
  } catch {
    // Not OpenSSL's message, but words that users know.
    return { problem: 'has a certificate or key that cannot be read' };
  }
  return { pem: `${pem.chain.trim()}\n${pem.key.trim()}\n` };
}

function decode(base64: string): string {
  return Buffer.from(base64, 'base64').toString('utf8');
}

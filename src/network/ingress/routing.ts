/**
 * Decides what an ingress proxy serves: from Ingresses, services, their endpoints and secrets to routes, backends and
 * certificates, with a sentence for everything that cannot be served. Pure; a problem affects nothing but its own part.
 */
import { keyOf } from '../../api/meta.ts';
import type { Ingress, IngressClass } from '../../api/resources.gen.ts';
import { isServed } from './ingress-class.ts';
import { type Backend, type BackendInput, Backends, type WantedBackend } from './routing/backends.ts';
import { type Certificate, certificatesOf } from './routing/certificates.ts';
import { type PathMatch, pathMatchOf, pathProblem } from './routing/path-match.ts';
import { type Problem, Problems } from './routing/problems.ts';
import { type IngressSettings, parseSettings } from './settings.ts';

export interface RoutingInput extends BackendInput {
  ingresses: readonly Ingress[];
  classes: readonly IngressClass[];
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

export interface Route extends PathMatch {
  ingress: string;
  /** `''`: any host; `*.example.org`: one label before. Lower case. */
  host: string;
  backend: string;
  canaries: { backend: string; canary: Canary }[];
}

type Canary = NonNullable<IngressSettings['canary']>;
type HttpPath = NonNullable<
  NonNullable<NonNullable<NonNullable<Ingress['spec']>['rules']>[number]['http']>['paths']
>[number];

export function computeRouting(input: RoutingInput): Routing {
  const { classes } = input;
  const ingresses = [...input.ingresses]
    .filter((ingress) => !ingress.metadata.deletionTimestamp && isServed(ingress, classes))
    .sort(byAge);
  const read = ingresses.map((ingress) => ({
    ingress,
    ...parseSettings(ingress.metadata.annotations ?? {}),
  }));
  const builder = new RoutingBuilder(input);
  for (const one of read) if (!one.settings.canary) builder.add(one);
  // Canaries join routes of other Ingresses, which must exist first.
  for (const one of read) if (one.settings.canary) builder.addCanary(one, one.settings.canary);
  return { ...builder.build(), served: ingresses.map(keyOf) };
}

function byAge(a: Ingress, b: Ingress): number {
  const [first, second] = [a, b].map((each) => `${each.metadata.creationTimestamp} ${keyOf(each)}`);
  return first! < second! ? -1 : 1;
}

/** An Ingress and what its annotations say. */
interface ReadIngress {
  ingress: Ingress;
  settings: IngressSettings;
  /** Of annotations that are ignored. */
  problems: readonly string[];
}

/** What the paths of one host share. */
interface Place {
  settings: IngressSettings;
  host: string;
  hasTls: boolean;
}

class RoutingBuilder {
  readonly #input: RoutingInput;
  readonly #problems = new Problems();
  readonly #backends: Backends;
  readonly #certificates: Certificate[] = [];
  /** By {@link routeId}: the oldest Ingress has it. */
  readonly #routes = new Map<string, Route>();

  constructor(input: RoutingInput) {
    this.#input = input;
    this.#backends = new Backends(input, this.#problems);
  }

  build(): Omit<Routing, 'served'> {
    return {
      routes: [...this.#routes.values()],
      backends: this.#backends.byName,
      certificates: this.#certificates,
      problems: this.#problems.list(),
    };
  }

  add({ ingress, settings, problems }: ReadIngress): void {
    this.#reportAnnotations(ingress, problems);
    const { rules = [], defaultBackend } = ingress.spec ?? {};
    const tls = certificatesOf(ingress, (key) => this.#input.secret(key), this.#problems);
    this.#certificates.push(...tls.certificates);
    const placeOf = (host: string): Place => ({ settings, host, hasTls: tls.hosts.has(host) });
    for (const { host, http } of rules) {
      const place = placeOf(hostOf(host));
      for (const path of http?.paths ?? []) this.#addPath(ingress, path, place);
      if (defaultBackend && place.host !== '') this.#addDefault(ingress, place);
    }
    if (defaultBackend && !rules.some(({ host }) => host)) this.#addDefault(ingress, placeOf(''));
  }

  /** A canary takes a share of what an older Ingress gets for the same host and path. */
  addCanary({ ingress, settings, problems }: ReadIngress, canary: Canary): void {
    this.#reportAnnotations(ingress, problems);
    for (const { host: named, http } of ingress.spec?.rules ?? []) {
      const host = hostOf(named);
      for (const path of http?.paths ?? []) {
        const match = pathMatchOf(path, settings);
        const main = this.#routes.get(routeId({ host, ...match }));
        if (main) this.#joinCanary(ingress, main, { path, canary });
        else {
          const message = `no other Ingress serves ${host || '*'}${match.path}, which this canary joins`;
          this.#problems.add(ingress, 'CanaryWithoutMain', message);
        }
      }
    }
  }

  #reportAnnotations(ingress: Ingress, problems: readonly string[]): void {
    for (const message of problems) this.#problems.add(ingress, 'InvalidAnnotation', message);
  }

  /** Apart from its service and its share, a canary is served like the route that it joins. */
  #joinCanary(ingress: Ingress, main: Route, { path, canary }: { path: HttpPath; canary: Canary }): void {
    const { settings, hasTls } = this.#backends.byName.get(main.backend)!;
    const backend = this.#backends.add(ingress, {
      settings: { ...settings, canary },
      backend: path.backend,
      hasTls,
      path: path.path,
      match: main.match,
    });
    if (backend) main.canaries.push({ backend, canary });
  }

  #addPath(ingress: Ingress, path: HttpPath, { settings, host, hasTls }: Place): void {
    const match = pathMatchOf(path, settings);
    const problem = pathProblem(match);
    if (problem) {
      this.#problems.add(ingress, 'InvalidPath', `path ${JSON.stringify(match.path)} ${problem}`);
      return;
    }
    this.#serve(ingress, host, match, { settings, backend: path.backend, hasTls, path: path.path });
  }

  /** What no path of the host matches. */
  #addDefault(ingress: Ingress, { settings, host, hasTls }: Place): void {
    const match = { match: 'prefix', path: '/' } as const;
    if (this.#routes.has(routeId({ host, ...match }))) return;
    this.#serve(ingress, host, match, { settings, backend: ingress.spec!.defaultBackend!, hasTls });
  }

  #serve(ingress: Ingress, host: string, match: PathMatch, wanted: Omit<WantedBackend, 'match'>): void {
    const backend = this.#backends.add(ingress, { ...wanted, match: match.match });
    if (!backend) return;
    const route = { ingress: keyOf(ingress), host, ...match, backend, canaries: [] };
    const id = routeId(route);
    const owner = this.#routes.get(id);
    if (!owner) this.#routes.set(id, route);
    else if (owner.ingress !== route.ingress) {
      const what = `host "${host || '*'}" and path "${route.path}"`;
      this.#problems.add(ingress, 'Conflict', `${what} are already defined in ingress ${owner.ingress}`);
    }
  }
}

function hostOf(named = ''): string {
  return named.toLowerCase();
}

function routeId({ host, match, path }: Pick<Route, 'host' | 'match' | 'path'>): string {
  return `${host} ${match} ${path}`;
}

/**
 * Writes src/api/data/descriptions.json.br: what `kubectl explain` says, read from the doc comments of three packages:
 * kubernetes-models is of Kubernetes 1.36 and has everything that is served by default; @kubernetes/client-node has
 * beta versions too, but says nothing of fields that refer to other definitions and has lost its line breaks;
 * kubernetes-types is some versions old. Old versions of a kind, which none has, are described by the newer ones. Run:
 * `npm install --no-save kubernetes-models@5.1.0 @kubernetes-models/apimachinery@3.0.2`, then
 * `node scripts/generate/descriptions.ts`.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants } from 'node:zlib';
import { rawSchema, refName, schemaNames } from '../../src/api/schema/schemas.ts';

interface Documented {
  text: string;
  /** By plain name. */
  fields: Map<string, string>;
}

const packages = new URL('../../node_modules/', import.meta.url);
const models = new URL('@kubernetes/client-node/dist/gen/models/', packages);
const comment = String.raw`\/\*\*((?:(?!\*\/)[^])*)\*\/\s*`;

const clientModels = new Map<string, Documented>();
for (const file of readdirSync(models)) {
  if (file.endsWith('.d.ts')) clientModels.set(file.slice(0, -'.d.ts'.length), readClientModel(file));
}

function readClientModel(file: string): Documented {
  const source = readFileSync(new URL(file, models), 'utf8');
  const start = source.indexOf('export declare class');
  const head = new RegExp(`${comment}export declare class`).exec(source);
  return { text: textOf(head?.[1] ?? ''), fields: readFields(source.slice(start)) };
}

function readFields(source: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const [, text = '', name = ''] of source.matchAll(
    new RegExp(`${comment}['"]?([$\\w-]+)['"]?\\??:`, 'g'),
  )) {
    fields.set(plainName(name), textOf(text));
  }
  return fields;
}

/** By the name that the package makes of a definition's. */
const newestModels = new Map<string, Documented>();
for (const name of ['kubernetes-models', '@kubernetes-models/apimachinery']) {
  const folder = fileURLToPath(new URL(name, packages));
  for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' }))
    if (file.endsWith('.d.ts') && !file.startsWith('_schemas')) readNewestModel(join(folder, file));
}

function readNewestModel(file: string): void {
  const source = readFileSync(file, 'utf8');
  const name = /\bas I(IoK8s\w+)/.exec(source)?.[1];
  if (!name) return;
  const head = new RegExp(`${comment}export (?:declare )?(?:interface|type) `).exec(source);
  const end = source.indexOf('export declare class');
  newestModels.set(name, {
    text: textOf(head?.[1] ?? ''),
    fields: readFields(source.slice((head?.index ?? 0) + (head?.[0].length ?? 0), end < 0 ? undefined : end)),
  });
}

function newestName(definition: string): string {
  return definition.split(/[.-]/).map(capital).join('');
}

const typeFiles = new Map<string, Map<string, Documented>>();

/** The interfaces of a file such as `apps/v1`. */
function interfacesOf(group: string, version: string): Map<string, Documented> {
  const key = `${group}/${version}`;
  const known = typeFiles.get(key);
  if (known) return known;
  const found = new Map<string, Documented>();
  typeFiles.set(key, found);
  const file = new URL(`kubernetes-types/${key}.d.ts`, packages);
  if (!existsSync(file)) return found;
  const source = readFileSync(file, 'utf8');
  const heads = [
    ...source.matchAll(new RegExp(`${comment}export (?:declare )?(?:interface|type) (\\w+)`, 'g')),
  ];
  for (const [index, head] of heads.entries()) {
    const body = source.slice(head.index + head[0].length, heads[index + 1]?.index);
    found.set(head[2]!, { text: textOf(head[1]!), fields: readFields(body) });
  }
  return found;
}

function textOf(lines: string): string {
  return lines
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, '').trimEnd())
    .filter((line) => line !== '@deprecated')
    .join('\n')
    .trim()
    .replaceAll(/\\(['"])/g, '$1')
    .replaceAll('\\*', '*')
    .replaceAll('*_/', '*/')
    .replaceAll('*\\/', '*/');
}

/** `x_kubernetes_list_type`, `x-kubernetes-list-type`, `_default` and `default` are the same. */
function plainName(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
}

function capital(word: string): string {
  return word.slice(0, 1).toUpperCase() + word.slice(1);
}

function* modelsOf(group: string, version: string, name: string): Generator<Documented> {
  const model =
    clientModels.get(`${capital(group)}${capital(version)}${name}`) ??
    clientModels.get(`${capital(version)}${name}`);
  if (model) yield model;
  const type = interfacesOf(group, version).get(name);
  if (type) yield type;
}

/** Where the kinds of old groups live today, and which version describes an old one. */
const successors: Record<string, string[]> = {
  extensions: ['apps', 'networking', 'policy', 'core'],
  policy: ['policy', 'core'],
};
const stableVersions = ['v1', 'v2', 'v1beta1', 'v1alpha1'];

function* candidates(definition: string): Generator<Documented> {
  const newest = newestModels.get(newestName(definition));
  if (newest) yield newest;
  const [group = '', version = '', name = ''] = definition.split('.').slice(-3);
  const groups = [group, ...(successors[group] ?? [])];
  for (const candidateGroup of groups) {
    for (const candidateVersion of new Set([version, ...stableVersions])) {
      yield* modelsOf(candidateGroup, candidateVersion, name);
    }
  }
}

/** What the client's models leave out. */
const ownTexts: Record<string, string> = {
  'io.k8s.apimachinery.pkg.api.resource.Quantity':
    'A number of something, exact, with an optional suffix: decimal (n, u, m, k, M, G, T, P, E), binary (Ki, Mi, Gi, Ti, Pi, Ei) or an exponent (e3). 500m is a half, 1Gi is 2^30. It is written back in its canonical form: whole numbers with the largest suffix that fits.',
  'io.k8s.apimachinery.pkg.util.intstr.IntOrString':
    'A whole number or a string: a port by number or name, a count or a percentage.',
  'io.k8s.apimachinery.pkg.apis.meta.v1.Time': 'A point in time: RFC 3339, whole seconds.',
  'io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime': 'A point in time: RFC 3339, microseconds.',
  'io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1':
    'A set of fields as nested objects: f:<name> is a field, k:<keys> an item of a list by its keys, v:<value> an item by its value, i:<index> an item by its place; "." stands for the object itself.',
  'io.k8s.apimachinery.pkg.runtime.RawExtension': 'An object of any kind, kept as it is.',
};

/** Every object has an apiVersion and a kind, and the same is said of them all. */
const podFields = clientModels.get('V1Pod')?.fields;

/** A field that refers to another definition has no comment there: the definition describes it. */
function textOfReference(definition: string, field: string): string {
  if (field === 'apiVersion' || field === 'kind') return podFields?.get(plainName(field)) ?? '';
  const target = refName(rawSchema(definition)?.properties?.[field] ?? {});
  if (!target) return '';
  const kind = definition.slice(definition.lastIndexOf('.') + 1);
  if (target.endsWith('.ObjectMeta')) {
    return "Standard object's metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";
  }
  if (target.endsWith('.ListMeta')) {
    return 'Standard list metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds';
  }
  if (field === 'spec') return `The desired state of the ${kind}.`;
  if (field === 'status') return `The observed state of the ${kind}, as the system last saw it. Read-only.`;
  return selfTextOf(target);
}

function selfTextOf(definition: string): string {
  const texts = [...candidates(definition)].map(({ text }) => text);
  return bestOf(texts) || ownTexts[definition] || '';
}

/** The first text, with the line breaks that another version of it has. */
function bestOf(texts: readonly (string | undefined)[]): string {
  const first = texts.find(Boolean) ?? '';
  const flat = (text: string) => text.replaceAll(/\s+/g, ' ');
  return texts.find((text) => text?.includes('\n') && flat(text) === flat(first)) ?? first;
}

const texts: string[] = [];
const indexes = new Map<string, number>();
function indexOf(text: string): number {
  let index = indexes.get(text);
  if (index === undefined) {
    index = texts.push(text) - 1;
    indexes.set(text, index);
  }
  return index;
}

const definitions: Record<string, [self: number, fields: Record<string, number>]> = {};
let fieldsTotal = 0;
let fieldsDescribed = 0;
for (const definition of schemaNames()) {
  const sources = [...candidates(definition)];
  const fields: Record<string, number> = {};
  for (const field of Object.keys(rawSchema(definition)?.properties ?? {})) {
    const own = bestOf(sources.map((source) => source.fields.get(plainName(field))));
    const text = own || textOfReference(definition, field);
    fieldsTotal++;
    if (!text) continue;
    fieldsDescribed++;
    fields[field] = indexOf(text);
  }
  definitions[definition] = [indexOf(selfTextOf(definition)), fields];
}

const json = Buffer.from(JSON.stringify({ texts, definitions }));
const compressed = brotliCompressSync(json, {
  params: {
    [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
    [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
    [constants.BROTLI_PARAM_SIZE_HINT]: json.length,
  },
});
writeFileSync(new URL('../../src/api/data/descriptions.json.br', import.meta.url), compressed);
console.log(
  `${fieldsDescribed} of ${fieldsTotal} fields described; ${json.length} bytes, ${compressed.length} compressed`,
);

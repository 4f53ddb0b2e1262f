/** What requests carry besides their path: the body's object, and the options of the query. */
import { notSupported } from '../../api/field-error.ts';
import type { KubeObject } from '../../api/meta.ts';
import type { FieldValidation } from '../../api/schema/body.ts';
import { badRequest, invalid } from '../../api/status.ts';
import type { RequestContext } from '../request.ts';
import { decodeAs, readParsedBody, toStoredVersion } from './codec.ts';
import type { ServedResource } from './kind-registry.ts';
import type { WriteRequest } from './registry.ts';
import { converting } from './version-converter.ts';

/** The object of the body, decoded, defaulted and in the stored version. */
export async function readObject(context: RequestContext, resource: ServedResource): Promise<KubeObject> {
  const parsed = await readParsedBody(context.request, resource);
  context.requestObject = parsed.value;
  const validation = fieldValidationOf(context);
  const object = decodeAs(resource, parsed, validation, context.warnings);
  return converting(() => toStoredVersion(resource, object));
}

/** How errors name the options of a verb. */
const optionsKinds: Readonly<Record<string, string>> = {
  create: 'CreateOptions',
  update: 'UpdateOptions',
  patch: 'PatchOptions',
  delete: 'DeleteOptions',
  deletecollection: 'DeleteOptions',
};

const fieldValidations = new Set(['Ignore', 'Warn', 'Strict']);

/** `Warn` unless the client says otherwise, as upstream. */
export function fieldValidationOf({ request }: RequestContext): FieldValidation {
  const asked = request.query.get('fieldValidation');
  if (!asked) return request.localBody ? 'Ignore' : 'Warn';
  if (fieldValidations.has(asked)) return asked as FieldValidation;
  throw badRequest(
    `fieldValidation: Unsupported value: "${asked}": supported values: "Ignore", "Strict", "Warn"`,
  );
}

/** What the writing verbs read from the path and the query. */
export function writeRequest(context: RequestContext, resource: ServedResource): WriteRequest {
  const { info, request, user, warnings } = context;
  return {
    resource,
    namespace: info.namespace,
    name: info.name,
    subresource: info.subresource,
    user,
    dryRun: isDryRun(request.query.getAll('dryRun'), optionsKinds[info.verb] ?? 'CreateOptions'),
    fieldManager: request.query.get('fieldManager') || managerOf(request.header('user-agent') ?? ''),
    warnings,
  };
}

/** Without a field manager the client's program name stands for it. */
function managerOf(userAgent: string): string {
  return userAgent.split('/', 1)[0]!.slice(0, 128) || 'unknown';
}

export function isDryRun(values: readonly string[], optionsKind: string): boolean {
  if (values.length === 0 || (values.length === 1 && values[0] === '')) return false;
  if (values.every((value) => value === 'All')) return true;
  throw invalid({ group: 'meta.k8s.io', kind: optionsKind }, '', [notSupported('dryRun', values, ['All'])]);
}

/** @throws StatusError 400 when it is no number */
export function numberOf(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  if (!/^-?\d+$/.test(text))
    throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  return Number(text);
}

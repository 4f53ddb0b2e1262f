/** Content negotiation: which of the served representations an `Accept` header asks for. */
import { notAcceptable } from '../../api/status.ts';

export type MediaType = 'json' | 'yaml' | 'protobuf';

export interface OutputFormat {
  media: MediaType;
  /** Another form of the same objects. */
  as?: 'Table' | 'PartialObjectMetadata' | 'PartialObjectMetadataList';
  /** `meta.k8s.io` version of that form. */
  asVersion?: 'v1' | 'v1beta1';
}

export const jsonFormat: OutputFormat = { media: 'json' };

export const contentTypes: Readonly<Record<MediaType, string>> = {
  json: 'application/json',
  yaml: 'application/yaml',
  protobuf: 'application/vnd.kubernetes.protobuf',
};

const mediaOf: Readonly<Record<string, MediaType>> = {
  'application/json': 'json',
  'application/yaml': 'yaml',
  'application/vnd.kubernetes.protobuf': 'protobuf',
  'application/*': 'json',
  '*/*': 'json',
};

export interface AcceptClause {
  type: string;
  parameters: Readonly<Record<string, string>>;
}

/** The clauses of an Accept header, most wanted first. */
export function parseAccept(accept: string): AcceptClause[] {
  const clauses: { clause: AcceptClause; quality: number; at: number }[] = [];
  for (const [at, text] of accept.split(',').entries()) {
    const [type = '', ...rest] = text.split(';').map((part) => part.trim());
    if (type === '') continue;
    const parameters: Record<string, string> = {};
    for (const parameter of rest) {
      const equals = parameter.indexOf('=');
      if (equals > 0) parameters[parameter.slice(0, equals)] = parameter.slice(equals + 1);
    }
    const quality = parameters.q === undefined ? 1 : Number(parameters.q) || 0;
    clauses.push({ clause: { type: type.toLowerCase(), parameters }, quality, at });
  }
  clauses.sort((a, b) => b.quality - a.quality || a.at - b.at);
  return clauses.map(({ clause }) => clause);
}

const parsed = new Map<string, OutputFormat | undefined>();
/** Accept headers that are remembered; clients send few different ones. */
const rememberedMax = 500;

export interface NegotiationLimits {
  /** The answer has no protobuf form (custom resources). */
  noProtobuf?: boolean;
  /** The answer has no other forms, such as tables. */
  noForms?: boolean;
  /** The answer is never stored, so it has no columns; of its metadata there is a form. */
  noTables?: boolean;
}

/** @throws StatusError 406 */
export function negotiate(accept: string | undefined, limits: NegotiationLimits = {}): OutputFormat {
  if (!accept || accept === 'application/json' || accept === '*/*') return jsonFormat;
  const { noProtobuf = false, noForms = false, noTables = false } = limits;
  const key = `${noProtobuf},${noForms},${noTables},${accept}`;
  let format = parsed.get(key);
  if (!format) {
    format = choose(parseAccept(accept), limits);
    if (parsed.size < rememberedMax) parsed.set(key, format);
  }
  if (!format)
    throw notAcceptable(
      'only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf',
    );
  return format;
}

const forms = new Set(['Table', 'PartialObjectMetadata', 'PartialObjectMetadataList']);

function choose(
  clauses: readonly AcceptClause[],
  { noProtobuf, noForms, noTables }: NegotiationLimits,
): OutputFormat | undefined {
  for (const { type, parameters } of clauses) {
    const media = mediaOf[type];
    if (!media || (media === 'protobuf' && noProtobuf && parameters.as === undefined)) continue;
    const { as, g, v } = parameters;
    if (as === undefined) return { media };
    if (noForms || !forms.has(as) || g !== 'meta.k8s.io' || (v !== 'v1' && v !== 'v1beta1')) continue;
    // Tables have no protobuf form.
    if (as === 'Table' && (noTables || media === 'protobuf')) continue;
    return { media, as: as as NonNullable<OutputFormat['as']>, asVersion: v };
  }
  return undefined;
}

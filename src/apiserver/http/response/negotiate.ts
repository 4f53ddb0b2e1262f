/** Content negotiation: which of the served representations an `Accept` header asks for. */
import { canEncode } from '../../../api/protobuf/envelope.ts';
import { notAcceptable } from '../../../api/status.ts';
import type { ServedResource } from '../../registry/kind-registry.ts';

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

/** In the order in which a wildcard takes them. */
const acceptedMedia = Object.entries(contentTypes).map(([media, contentType]) => {
  const [type = '', subtype = ''] = contentType.split('/');
  return { media: media as MediaType, type, subtype };
});

export interface AcceptClause {
  /** `application/json` */
  type: string;
  parameters: Readonly<Record<string, string>>;
}

interface RankedClause extends AcceptClause {
  quality: number;
}

/**
 * The clauses of an Accept header, by preference. For wildcards the quality does not count, and the order depends on
 * neighbouring clauses: this is upstream's behaviour, for which clients are written.
 */
export function parseAccept(accept: string): AcceptClause[] {
  const clauses: RankedClause[] = [];
  for (const text of accept.split(',')) {
    const clause = parseClause(text);
    if (!clause) continue;
    let at = clauses.length;
    while (at > 0 && isBefore(clause, clauses[at - 1]!)) at--;
    clauses.splice(at, 0, clause);
  }
  return clauses;
}

function parseClause(text: string): RankedClause | undefined {
  const [range = '', ...rest] = text.split(';').map((part) => part.trim());
  const type = range === '*' ? '*/*' : range.toLowerCase();
  if (!/^[^/]*\/[^/]+$/.test(type)) return undefined;
  const parameters: Record<string, string> = {};
  let quality = 1;
  for (const parameter of rest) {
    const [name = '', value = '', ...more] = parameter.split('=').map((part) => part.trim());
    if (value === '' || more.length > 0) continue;
    if (name === 'q') quality = Number(value) || 0;
    else parameters[name] = value;
  }
  return { type, parameters, quality };
}

function isBefore(left: RankedClause, right: RankedClause): boolean {
  if (left.quality > right.quality) return true;
  const isAnyType = ({ type }: RankedClause) => type.startsWith('*/');
  const isAnySubtype = ({ type }: RankedClause) => type.endsWith('/*');
  return (!isAnyType(left) && isAnyType(right)) || (!isAnySubtype(left) && isAnySubtype(right));
}

/** The media types that a clause can mean, in the order in which they are tried. */
export function mediaFor({ type }: AcceptClause): MediaType[] {
  return acceptedMedia
    .filter((media) => [`${media.type}/${media.subtype}`, `${media.type}/*`, '*/*'].includes(type))
    .map(({ media }) => media);
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

export function limitsOf({ schema, cache }: Pick<ServedResource, 'schema' | 'cache'>): NegotiationLimits {
  return { noProtobuf: !canEncode(schema), noTables: !cache };
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

function choose(clauses: readonly AcceptClause[], limits: NegotiationLimits): OutputFormat | undefined {
  for (const clause of clauses)
    for (const media of mediaFor(clause)) {
      const format = formatIn(media, clause.parameters, limits);
      if (format) return format;
    }
  return undefined;
}

function formatIn(
  media: MediaType,
  { as, g, v, stream, sv }: AcceptClause['parameters'],
  { noProtobuf, noForms, noTables }: NegotiationLimits,
): OutputFormat | undefined {
  // YAML cannot be streamed, and the version of the server's own types cannot be chosen.
  if (sv || (stream && (stream !== 'watch' || media === 'yaml'))) return undefined;
  if (as === undefined && g === undefined && v === undefined)
    return media === 'protobuf' && noProtobuf ? undefined : { media };
  if (noForms || !as || !forms.has(as) || g !== 'meta.k8s.io' || (v !== 'v1' && v !== 'v1beta1'))
    return undefined;
  // Tables have no protobuf form.
  if (as === 'Table' && (noTables || media === 'protobuf')) return undefined;
  return { media, as: as as NonNullable<OutputFormat['as']>, asVersion: v };
}

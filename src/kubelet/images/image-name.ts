/** Image references: their parts, and upstream's messages for invalid ones. Pure. */

export interface ImageName {
  /** `docker.io` when none is written. */
  registry: string;
  repository: string;
  tag?: string;
  digest?: string;
  /** With its default tag, as passed to the runtime. */
  full: string;
}

const alphanumeric = '[a-zA-Z0-9]';
const domainName = `${alphanumeric}(?:[a-zA-Z0-9-]*${alphanumeric})?`;
const domain = `(?:${domainName}(?:\\.${domainName})*|\\[[0-9a-fA-F:]+\\])(?::[0-9]+)?`;
const component = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const path = `${component}(?:/${component})*`;
const tag = '\\w[\\w.-]{0,127}';
const digest = '[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}';
const referencePattern = new RegExp(
  `^(?:${domain}/)?(?<path>${path})(?::(?<tag>${tag}))?(?:@(?<digest>${digest}))?$`,
);
const pathLengthMax = 255;
/** Hexadecimal digits of each kind of digest. */
const digestLengths: Record<string, number> = { sha256: 64, sha384: 96, sha512: 128 };

/** Returns the reason, in the words of the reference implementation, when the text is not an image reference. */
export function parseImageName(text: string): ImageName | { problem: string } {
  const bad = (detail: string) => ({ problem: `couldn't parse image reference "${text}": ${detail}` });
  if (/^[0-9a-f]{64}$/.test(text))
    return bad(`invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`);
  const { registry, remainder } = splitRegistry(text);
  const [remote = ''] = remainder.split(':', 1);
  if (remote !== remote.toLowerCase())
    return bad('invalid reference format: repository name must be lowercase');
  const whole = `${registry}/${remainder}`;
  const parts = referencePattern.exec(whole)?.groups as Record<'path' | 'tag' | 'digest', string | undefined>;
  if (!parts) {
    const isOnlyTheCase = referencePattern.test(whole.toLowerCase());
    return bad(isOnlyTheCase ? 'repository name must be lowercase' : 'invalid reference format');
  }
  if (parts.path!.length > pathLengthMax)
    return bad(`repository name must not be more than ${pathLengthMax} characters`);
  const problem = parts.digest && findDigestProblem(parts.digest);
  if (problem) return bad(problem);
  const repository = /^[^:@]*/.exec(remainder)![0];
  const full = parts.tag || parts.digest ? text : `${text}:latest`;
  return {
    registry,
    repository,
    full,
    ...(parts.tag && { tag: parts.tag }),
    ...(parts.digest && { digest: parts.digest }),
  };
}

/** The part before the first slash is a registry only if it cannot be the first component of a path. */
function splitRegistry(text: string): { registry: string; remainder: string } {
  const slash = text.indexOf('/');
  const first = text.slice(0, Math.max(slash, 0));
  const isRegistry =
    slash >= 0 && (/[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase());
  const registry = isRegistry && first !== 'index.docker.io' ? first : 'docker.io';
  const remainder = isRegistry ? text.slice(slash + 1) : text;
  const isShort = registry === 'docker.io' && !remainder.includes('/');
  return { registry, remainder: isShort ? `library/${remainder}` : remainder };
}

function findDigestProblem(text: string): string | undefined {
  const [algorithm = '', encoded = ''] = text.split(':');
  const length = Object.hasOwn(digestLengths, algorithm) ? digestLengths[algorithm] : undefined;
  if (length === undefined)
    return /[A-Z]/.test(algorithm) ? 'invalid checksum digest format' : 'unsupported digest algorithm';
  if (encoded.length !== length) return 'invalid checksum digest length';
  return /[A-F]/.test(encoded) ? 'invalid checksum digest format' : undefined;
}

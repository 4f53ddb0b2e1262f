/** Image references: their parts, and upstream's messages for invalid ones. Pure. */

export interface ImageName {
  /** `docker.io` when none is written. */
  registry: string;
  repository: string;
  tag?: string;
  digest?: string;
  /** With its default tag, as the runtime is asked for it. */
  full: string;
}

const domainPattern =
  /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])(?::\d+)?$/;
const pathPattern = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const tagPattern = /^\w[\w.-]{0,127}$/;
const digestPattern = /^[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}$/;

/** Gives the reason, in the words of the reference implementation, when the text is no image reference. */
export function parseImageName(text: string): ImageName | { problem: string } {
  const bad = (detail?: string) => ({
    problem: `couldn't parse image reference "${text}": invalid reference format${detail ? `: ${detail}` : ''}`,
  });
  if (/^[0-9a-f]{64}$/.test(text)) return bad('repository name must not be a 64-byte hexadecimal string');
  const at = text.indexOf('@');
  const digest = at >= 0 ? text.slice(at + 1) : undefined;
  const beforeDigest = at >= 0 ? text.slice(0, at) : text;
  const slash = beforeDigest.indexOf('/');
  const first = slash >= 0 ? beforeDigest.slice(0, slash) : '';
  const hasDomain =
    slash >= 0 && (/[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase());
  const registry = hasDomain ? first : 'docker.io';
  const remainder = hasDomain ? beforeDigest.slice(slash + 1) : beforeDigest;
  const colon = remainder.indexOf(':');
  const path = colon >= 0 ? remainder.slice(0, colon) : remainder;
  const tag = colon >= 0 ? remainder.slice(colon + 1) : undefined;
  if (path !== path.toLowerCase()) return bad('repository name must be lowercase');
  if (!pathPattern.test(path) || !domainPattern.test(registry)) return bad();
  if (tag !== undefined && !tagPattern.test(tag)) return bad();
  if (digest !== undefined && !digestPattern.test(digest)) return bad();
  const repository = registry === 'docker.io' && !path.includes('/') ? `library/${path}` : path;
  const full = tag === undefined && digest === undefined ? `${text}:latest` : text;
  return { registry, repository, full, ...(tag !== undefined && { tag }), ...(digest && { digest }) };
}

/** The form of a container image's name, as registries take it: `host:port/path/name:tag@digest`. */

const nameLengthMax = 255;
const component = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const domain =
  '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*(?::[0-9]+)?';
const digest = '[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}';
const form = new RegExp(
  `^((?:${domain}/)?${component}(?:/${component})*)(?::([\\w][\\w.-]{0,127}))?(?:@(${digest}))?$`,
);

export interface ImageReference {
  name: string;
  /** `latest` when neither tag nor digest is given. */
  tag: string;
  digest: string;
}

/** Undefined for what is no image's name. */
export function parseImageReference(image: string): ImageReference | undefined {
  const match = form.exec(image);
  if (!match || match[1]!.length > nameLengthMax) return undefined;
  const [, name = '', tag = '', digested = ''] = match;
  return { name, tag: tag || (digested ? '' : 'latest'), digest: digested };
}

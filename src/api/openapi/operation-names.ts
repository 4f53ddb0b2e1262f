/** How operations are named in OpenAPI documents, and what their tags and sentences are made from. */

export const capital = (word: string) => word.slice(0, 1).toUpperCase() + word.slice(1);

/** `AppsV1`, `RbacAuthorizationV1`, `CoreV1` */
export function groupVersionTitle({ group, version }: { group: string; version: string }): string {
  return groupTitle(group) + capital(version);
}

/** `Apps`, `RbacAuthorization`, `Core` */
export function groupTitle(group: string): string {
  return groupWords(group).map(capital).join('');
}

/** `apps_v1`, `rbacAuthorization_v1` */
export function groupVersionTag({ group, version }: { group: string; version: string }): string {
  return `${groupTag(group)}_${version}`;
}

/** `apps`, `rbacAuthorization` */
export function groupTag(group: string): string {
  const [first = '', ...rest] = groupWords(group);
  return first + rest.map(capital).join('');
}

function groupWords(group: string): string[] {
  return group === '' ? ['core'] : group.replace(/\.k8s\.io$/, '').split(/[.-]/);
}

/** `a Pod`, `an Ingress`, `Endpoints` */
export function withArticle(kind: string): string {
  if (/[^s]s$/.test(kind)) return kind;
  return `${/^[AEIOU]/.test(kind) ? 'an' : 'a'} ${kind}`;
}

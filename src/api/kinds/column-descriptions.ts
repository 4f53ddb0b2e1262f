/** Descriptions of columns: those that show a field have the field's description. */
import facts from '../data/columns.json' with { type: 'json' };
import type { ResourceType } from '../meta.ts';
import { type Descriptions, loadDescriptions } from '../openapi/descriptions.ts';
import type { Column } from './kind.ts';

const fields: Readonly<Record<string, Readonly<Record<string, string>>>> = facts;

/** Read when a table is first requested; of the texts, only these are kept. */
let texts: ReadonlyMap<string, string> | undefined;

/** The columns of a built-in kind, with a description wherever one is known. */
export function describedColumns(
  { group, kind }: ResourceType,
  columns: readonly Column[],
): readonly Column[] {
  const ofKind = fields[group ? `${group}/${kind}` : kind];
  if (!ofKind) return columns;
  texts ??= textsOf(loadDescriptions());
  const known = texts;
  return columns.map((column) => {
    const description = column.description ?? known.get(ofKind[column.name] ?? '');
    return description === undefined ? column : { ...column, description };
  });
}

/** By the field, as the facts name it. */
function textsOf(descriptions: Descriptions): Map<string, string> {
  const found = new Map<string, string>();
  for (const path of new Set(Object.values(fields).flatMap((columns) => Object.values(columns)))) {
    const at = path.lastIndexOf('.');
    const root = path.startsWith('meta.') ? 'io.k8s.apimachinery.pkg.apis.' : 'io.k8s.api.';
    const text = descriptions.field(root + path.slice(0, at), path.slice(at + 1));
    if (text !== undefined) found.set(path, text);
  }
  return found;
}

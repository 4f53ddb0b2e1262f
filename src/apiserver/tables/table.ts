/** Tables: what `kubectl get` prints, computed on the server from a kind's columns. */
import { describedColumns } from '../../api/kinds/column-descriptions.ts';
import { creationDescription, nameDescription } from '../../api/kinds/columns.ts';
import type { CellContext, Column } from '../../api/kinds/kind.ts';
import type { KubeObject } from '../../api/meta.ts';
import type { ServedResource } from '../registry/kind-registry.ts';

export type IncludeObject = 'None' | 'Metadata' | 'Object';

/** The columns of kinds that state none. */
const defaultColumns: readonly Column[] = [
  {
    name: 'Name',
    type: 'string',
    format: 'name',
    description: nameDescription,
    cell: (object) => object.metadata.name,
  },
  {
    name: 'Created At',
    type: 'date',
    description: creationDescription,
    cell: (object) => object.metadata.creationTimestamp,
  },
];

export interface TableOptions {
  includeObject: IncludeObject;
  /** Of meta.k8s.io. */
  version: 'v1' | 'v1beta1';
  nowMs: number;
  /** Of the objects. */
  apiVersion?: string;
  /** Later events of a watch leave the column definitions out. */
  withoutHeader?: boolean;
}

/** `objects` pairs what is stored (columns read it) with what the client's version shows (for `includeObject=Object`). */
export function tableOf(
  resource: ServedResource,
  objects: readonly { stored: KubeObject; served: () => KubeObject }[],
  metadata: Record<string, unknown>,
  options: TableOptions,
): Record<string, unknown> {
  const reads = (each: { stored: KubeObject; served: () => KubeObject }) =>
    resource.served?.columns ? each.served() : each.stored;
  const rows = objects.map((each) => ({ object: reads(each), served: each.served }));
  return tableWith(columnsOf(resource), rows, metadata, { ...options, apiVersion: resource.apiVersion });
}

/** `object` is what the columns read. */
export function tableWith(
  columns: readonly Column[],
  rows: readonly { object: KubeObject; served: () => KubeObject }[],
  metadata: Record<string, unknown>,
  options: TableOptions,
): Record<string, unknown> {
  const { nowMs, apiVersion } = options;
  const context: CellContext = { nowMs, ...(apiVersion && { apiVersion }) };
  return {
    kind: 'Table',
    apiVersion: `meta.k8s.io/${options.version}`,
    metadata,
    columnDefinitions: options.withoutHeader ? null : columns.map(definitionOf),
    rows: rows.map(({ object, served }) => ({
      cells: cellsOf(columns, object, context),
      object: shownObject(served, options),
    })),
  };
}

function shownObject(served: () => KubeObject, { includeObject, version }: TableOptions): object | null {
  if (includeObject === 'None') return null;
  return includeObject === 'Object' ? served() : partialMetadata(served(), version);
}

const described = new WeakMap<ServedResource, readonly Column[]>();

export function columnsOf(resource: ServedResource): readonly Column[] {
  const { definition, served, isCustom } = resource;
  const own = served?.columns ?? definition.columns;
  const columns = own.length > 0 ? own : defaultColumns;
  if (isCustom) return columns;
  let found = described.get(resource);
  if (!found) {
    found = describedColumns(definition.type, columns);
    described.set(resource, found);
  }
  return found;
}

function definitionOf({ name, type, format, description, priority }: Column): Record<string, unknown> {
  return { name, type, format: format ?? '', description: description ?? '', priority: priority ?? 0 };
}

function cellsOf(columns: readonly Column[], object: KubeObject, context: CellContext): unknown[] {
  return columns.map((column) => column.cell(object, context) ?? null);
}

/** An object reduced to its metadata. */
export function partialMetadata(object: KubeObject, version: 'v1' | 'v1beta1' = 'v1'): KubeObject {
  return {
    kind: 'PartialObjectMetadata',
    apiVersion: `meta.k8s.io/${version}`,
    metadata: object.metadata,
  };
}

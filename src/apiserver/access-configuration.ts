/** What the configurations of a server's access share: their group, and how strictly they are read. */
import { CelError, type CelProgram } from '../api/cel/environment.ts';
import { type FieldError, invalidValue } from '../api/validation/field-error.ts';
import { type Shape, unknownFields, withoutNulls } from '../base/text/configuration-shape.ts';

const group = 'apiserver.config.k8s.io';
const versions = ['v1', 'v1beta1', 'v1alpha1'];

/**
 * The document without null values, once it is known to be of the kind and to have no fields beyond the shape.
 * @throws Error in upstream's words
 */
export function decodeConfiguration(kind: string, shape: Shape, value: unknown): unknown {
  const found = (value ?? {}) as { apiVersion?: unknown; kind?: unknown };
  if (found.kind !== kind || !versions.some((name) => found.apiVersion === `${group}/${name}`))
    throw new Error(
      `no kind ${JSON.stringify(found.kind ?? '')} is registered for version ${JSON.stringify(found.apiVersion ?? '')}: ` +
        `a configuration of this kind is of apiVersion ${group}/v1 and kind ${kind}`,
    );
  const unknown = unknownFields(shape, value as object);
  if (unknown.length > 0) throw new Error(`strict decoding error: ${unknown.join(', ')}`);
  return withoutNulls(value);
}

/** Collects errors while it compiles; the result is of use only when there are none. */
export abstract class ConfigurationReader {
  readonly errors: FieldError[] = [];

  protected invalid(field: string, value: unknown, why: string): void {
    this.errors.push(invalidValue(field, value, why));
  }

  /** Undefined when `compile` throws a CelError, which is among the errors then. */
  protected compiled(expression: string, field: string, compile: () => CelProgram): CelProgram | undefined {
    try {
      return compile();
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      this.invalid(field, expression, `compilation failed: ${error.message}`);
      return undefined;
    }
  }
}

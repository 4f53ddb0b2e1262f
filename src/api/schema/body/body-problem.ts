/** What is ignored in a body: a strict request is refused for it, others get a warning. */

export interface FieldProblem {
  readonly kind: 'unknown field' | 'duplicate field';
  /** `spec.containers[0].image` */
  readonly path: string;
}

/** A parser of YAML knows lines, not paths. */
export interface RepeatedKey {
  readonly kind: 'repeated key';
  /** From 1. */
  readonly line: number;
  readonly key: string;
}

export type BodyProblem = FieldProblem | RepeatedKey;

export function unknownField(path: string): FieldProblem {
  return { kind: 'unknown field', path };
}

export function duplicateField(path: string): FieldProblem {
  return { kind: 'duplicate field', path };
}

/** In upstream's words. */
export function problemText(problem: BodyProblem): string {
  if (problem.kind === 'repeated key')
    return `line ${problem.line}: key ${JSON.stringify(problem.key)} already set in map`;
  return `${problem.kind} ${JSON.stringify(problem.path)}`;
}

/** Match conditions in CEL: whether a webhook or policy that matches by rule wants the request after all. */
import { CelError, type CelProgram, compileCel } from '../../api/cel/environment.ts';
import { untypedCelValue } from '../../api/cel/values.ts';
import type { MatchCondition } from '../../api/types/admissionregistration-v1.gen.ts';
import type { AdmissionRequest } from './review.ts';

export const requestVariables = ['object', 'oldObject', 'request', 'params', 'namespaceObject', 'variables'];

export interface CompiledCondition {
  name: string;
  program: CelProgram;
}

/** @throws CelError */
export function compileConditions(conditions: readonly MatchCondition[] | undefined): CompiledCondition[] {
  return (conditions ?? []).map(({ name, expression }) => ({
    name,
    program: compileCel(expression, requestVariables),
  }));
}

/** What expressions see of a request. */
export function celVariablesOf(request: AdmissionRequest): Record<string, unknown> {
  const { object, oldObject, ...rest } = request;
  return {
    object: untypedCelValue(object),
    oldObject: untypedCelValue(oldObject),
    request: untypedCelValue(rest),
    params: null,
    namespaceObject: null,
    variables: {},
  };
}

/** False when one does not hold. @throws CelError when none is false but one fails. */
export function conditionsHold(
  conditions: readonly CompiledCondition[],
  variables: Record<string, unknown>,
): boolean {
  const failures: string[] = [];
  for (const { name, program } of conditions) {
    try {
      if (program.evaluate(variables) !== true) return false;
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      failures.push(`matchCondition ${JSON.stringify(name)}: ${error.message}`);
    }
  }
  if (failures.length > 0) throw new CelError(failures.join(', '));
  return true;
}

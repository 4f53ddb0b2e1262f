/** Match conditions in CEL: whether a webhook or policy whose rules match also wants the request. */
import { policyVariables } from '../../api/admissionregistration/expressions.ts';
import { CelError, type CelProgram, compileCel } from '../../api/cel/environment.ts';
import { CelAuthorizer } from '../../api/cel/libraries/authorizer.ts';
import { untypedCelValue } from '../../api/cel/values.ts';
import type { MatchCondition } from '../../api/types/admissionregistration-v1.gen.ts';
import type { AdmissionAttributes } from '../admission/admission.ts';
import { withAuthenticatedGroup } from '../authentication/authenticator.ts';
import { serviceAccountUser } from '../authentication/service-account-tokens.ts';
import type { UserInfo } from '../request.ts';
import type { AccessAnswers } from './access-answers.ts';
import type { AdmissionRequest } from './review.ts';

export interface CompiledCondition {
  name: string;
  program: Pick<CelProgram, 'evaluate' | 'source'>;
}

/** One that does not compile, stored before that was refused, fails whenever it is asked: no other request feels it. */
export function compileConditions(conditions: readonly MatchCondition[] | undefined): CompiledCondition[] {
  return (conditions ?? []).map(({ name, expression }) => ({ name, program: compileOrFail(expression) }));
}

function compileOrFail(expression: string): CompiledCondition['program'] {
  try {
    return compileCel(expression, policyVariables);
  } catch (error) {
    if (!(error instanceof CelError)) throw error;
    return {
      source: expression,
      evaluate() {
        throw error;
      },
    };
  }
}

/** What expressions see of a request, and the authorizer that they may query. */
export function celVariablesOf(
  request: AdmissionRequest,
  attributes: AdmissionAttributes,
  answers: AccessAnswers,
): Record<string, unknown> {
  const { object, oldObject, ...rest } = request;
  return {
    object: untypedCelValue(object),
    oldObject: untypedCelValue(oldObject),
    request: untypedCelValue(rest),
    params: null,
    namespaceObject: null,
    authorizer: celAuthorizerOf(attributes, answers),
    variables: {},
  };
}

function celAuthorizerOf({ request, name }: AdmissionAttributes, answers: AccessAnswers): CelAuthorizer {
  const { resource, namespace, subresource, user } = request;
  const about = { group: resource.group, resource: resource.plural, namespace, name, subresource };
  return new CelAuthorizer(
    (question, account) =>
      answers.to({ ...question, version: '*', user: account ? userOfAccount(account) : user }),
    about,
  );
}

function userOfAccount({ namespace, name }: { namespace: string; name: string }): UserInfo {
  return withAuthenticatedGroup(serviceAccountUser(namespace, name));
}

/** False when one does not hold. @throws CelError when none is false but one fails. */
export function conditionsHold(
  conditions: readonly CompiledCondition[],
  variables: Record<string, unknown>,
): boolean {
  const failures: string[] = [];
  for (const { program } of conditions) {
    try {
      if (program.evaluate(variables) !== true) return false;
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      failures.push(`expression '${program.source}' resulted in error: ${error.message}`);
    }
  }
  if (failures.length > 0)
    throw new CelError(failures.length === 1 ? failures[0]! : `[${failures.join(', ')}]`);
  return true;
}

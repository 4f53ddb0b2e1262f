/** From the claims of a token to a user, by the mappings and rules of an authentication configuration. */
import { CelError, type CelProgram } from '../../api/cel/environment.ts';
import { jsonOfCel, untypedCelValue } from '../../api/cel/values.ts';
import type { UserInfo } from '../request.ts';
import { type Claims, ClaimsError } from './id-token.ts';
import { credentialOf, groupsOfClaim, requireClaim, textOfClaim, usernameOfClaim } from './openid-connect.ts';

/** The value of a claim, or the result of an expression over all claims. */
export type ClaimSource = { claim: string; prefix?: string } | { program: CelProgram };

export interface CompiledRule {
  program: CelProgram;
  message: string;
}

export interface ClaimMapping {
  username: ClaimSource;
  groups: ClaimSource | undefined;
  uid: ClaimSource | undefined;
  extra: readonly { key: string; program: CelProgram }[];
  requiredClaims: readonly { claim: string; value: string }[];
  claimRules: readonly CompiledRule[];
  userRules: readonly CompiledRule[];
}

/** @throws ClaimsError in upstream's words */
export function mapClaims(claims: Claims, mapping: ClaimMapping): UserInfo {
  const variables = { claims: untypedCelValue(claims) };
  const name = usernameOf(claims, mapping.username, variables);
  const groups = groupsOf(claims, mapping.groups, variables);
  const uid = uidOf(claims, mapping.uid, variables);
  const mapped = extraOf(mapping.extra, variables);
  const credential = credentialOf(claims);
  const extra = mapped || credential ? { ...credential, ...mapped } : undefined;
  const user: UserInfo = { name, groups, ...(uid && { uid }), ...(extra && { extra }) };
  for (const { claim, value } of mapping.requiredClaims) requireClaim(claims, claim, value);
  holdRules(mapping.claimRules, variables, 'claim validation expression');
  holdRules(mapping.userRules, { user: userVariable(user) }, 'user info validation rule');
  return user;
}

function usernameOf(claims: Claims, source: ClaimSource, variables: object): string {
  if ('claim' in source) return (source.prefix ?? '') + usernameOfClaim(claims, source.claim);
  const what = 'username claim expression';
  const value = evaluate(source.program, variables, what);
  if (typeof value !== 'string') throw failed(what, 'username claim expression must return a string');
  if (value === '') throw new ClaimsError('oidc: empty username via CEL expression is not allowed');
  return value;
}

function groupsOf(claims: Claims, source: ClaimSource | undefined, variables: object): string[] {
  if (!source) return [];
  if (!('claim' in source)) return textsOf(source.program, variables, 'group claim expression');
  const { claim, prefix = '' } = source;
  return groupsOfClaim(claims, claim).map((group) => prefix + group);
}

function uidOf(claims: Claims, source: ClaimSource | undefined, variables: object): string {
  if (!source) return '';
  if ('claim' in source) return textOfClaim(claims, source.claim, 'uid claim');
  const what = 'uid claim expression';
  const value = evaluate(source.program, variables, what);
  if (typeof value !== 'string') throw failed(what, 'uid claim expression must return a string');
  return value;
}

function extraOf(mappings: ClaimMapping['extra'], variables: object): UserInfo['extra'] {
  const extra: Record<string, string[]> = {};
  for (const { key, program } of mappings) {
    const values = textsOf(program, variables, `extra claim expression: ${program.source}`);
    if (values.length > 0) extra[key] = values;
  }
  return Object.keys(extra).length > 0 ? extra : undefined;
}

function holdRules(rules: readonly CompiledRule[], variables: object, what: string): void {
  for (const { program, message } of rules) {
    const value = evaluate(program, variables, what);
    if (typeof value !== 'boolean') throw failed(what, 'validation expression must return a boolean');
    if (!value) throw failed(what, `validation expression '${program.source}' failed: ${message}`);
  }
}

/** A text or a list of them; empty ones are none. */
function textsOf(program: CelProgram, variables: object, what: string): string[] {
  const value = jsonOfCel(evaluate(program, variables, what));
  if (value === null || value === undefined) return [];
  const list = Array.isArray(value) ? value : [value];
  if (!list.every((item) => typeof item === 'string'))
    throw failed(what, 'expression must return a string or a list of strings');
  return list.filter((item) => item !== '');
}

function evaluate(program: CelProgram, variables: object, what: string): unknown {
  try {
    return program.evaluate(variables as Record<string, unknown>);
  } catch (error) {
    if (!(error instanceof CelError)) throw error;
    throw failed(what, error.message);
  }
}

function failed(what: string, why: string): ClaimsError {
  return new ClaimsError(`oidc: error evaluating ${what}: ${why}`);
}

function userVariable({ name, uid = '', groups, extra = {} }: UserInfo): unknown {
  return { username: name, uid, groups: [...groups], extra };
}

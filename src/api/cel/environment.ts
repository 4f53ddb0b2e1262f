/** The expression language of the API (CEL) with Kubernetes' libraries, on @marcbachmann/cel-js (see docs/adr). */
import { Environment } from '@marcbachmann/cel-js';
import { messageOf } from '../../base/text/error-message.ts';
import { asGoCalculates } from './arithmetic.ts';
import { countRounds, withBudget } from './budget.ts';
import { lengthProblem } from './check/parse.ts';
import { constantConversionsIn, patternProblem } from './constant-parts.ts';
import { registerAddresses } from './libraries/addresses.ts';
import { registerAuthorizer } from './libraries/authorizer.ts';
import { registerConversions } from './libraries/conversions.ts';
import { registerFormatText } from './libraries/format-text.ts';
import { registerFormats } from './libraries/formats.ts';
import { registerJsonPatch } from './libraries/json-patch.ts';
import { registerLists } from './libraries/lists.ts';
import { naming, noteJoinedLists, registerNamedObjects } from './libraries/named-objects.ts';
import { registerOptionalEntries, withOptionalEntries } from './libraries/optional-entries.ts';
import { registerOptionalValues } from './libraries/optional-values.ts';
import { registerPatterns } from './libraries/patterns.ts';
import { registerPresence, unknownArgument, withPresence } from './libraries/presence.ts';
import { registerQuantities } from './libraries/quantities.ts';
import { registerSemver } from './libraries/semver.ts';
import { registerSortBy } from './libraries/sort-by.ts';
import { registerText } from './libraries/text.ts';
import { registerTwoVariables } from './libraries/two-variables.ts';
import { registerUrls } from './libraries/urls.ts';
import { withOwnNames, withReplacements } from './replaced-methods.ts';

/** Bounds on one expression; upstream's own are of the same order. */
const expressionLimits = {
  maxAstNodes: 10_000,
  maxDepth: 100,
  maxListElements: 1_000,
  maxMapEntries: 1_000,
  maxCallArguments: 32,
};

/** A compiled expression: a pure function of its variables. */
export interface CelProgram {
  readonly source: string;
  readonly ast: unknown;
  /** Static type of the result (`bool`, `string`, `dyn` …). */
  readonly resultType: string;
  /** @throws CelError when evaluation fails. */
  evaluate(variables: Record<string, unknown>): unknown;
}

/** An expression does not compile, or its evaluation failed. */
export class CelError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CelError';
  }
}

const base = new Environment({
  unlistedVariablesAreDyn: false,
  enableOptionalTypes: true,
  homogeneousAggregateLiterals: false,
  limits: expressionLimits,
});
const libraries = [
  registerAuthorizer,
  registerJsonPatch,
  (environment: Environment) => registerLists(environment, celOptional),
  registerNamedObjects,
  registerOptionalEntries,
  (environment: Environment) => registerOptionalValues(environment, celOptional),
  registerText,
  registerFormatText,
  registerPatterns,
  registerConversions,
  registerQuantities,
  registerAddresses,
  registerPresence,
  registerSemver,
  registerSortBy,
  registerTwoVariables,
  registerUrls,
  (environment: Environment) => registerFormats(environment, celOptional),
];
for (const register of libraries) register(base);

const environments = new Map<string, Environment>();

/** All variables are dynamic: what they hold is known only when they are there. */
function environmentOf(variables: readonly string[]): Environment {
  const key = variables.join(',');
  const known = environments.get(key);
  if (known) return known;
  const environment = base.clone();
  for (const name of variables) environment.registerVariable(name, 'dyn');
  environments.set(key, environment);
  return environment;
}

/** `variables`: the names that the expression may use. @throws CelError that describes the error in the expression */
export function compileCel(source: string, variables: readonly string[]): CelProgram {
  const tooLong = lengthProblem(source);
  if (tooLong) throw new CelError(tooLong);
  try {
    const environment = environmentOf(variables);
    const known = withOptionalEntries(source);
    let parsed = parse(environment, known);
    let checked = withReplacements(parsed.ast, parsed.check);
    if (!checked.valid && firstLine(checked.error) === unknownArgument) {
      parsed = environment.parse(withPresence(known));
      checked = withReplacements(parsed.ast, parsed.check);
    }
    if (!checked.valid) throw new CelError(firstLine(checked.error), { cause: checked.error });
    countRounds(parsed.ast);
    asGoCalculates(parsed.ast);
    if (source.includes(naming)) noteJoinedLists(parsed.ast);
    return {
      source,
      ast: parsed.ast,
      resultType: checked.type ?? 'dyn',
      evaluate: (values) => run(() => parsed(values)),
    };
  } catch (error) {
    if (error instanceof CelError) throw error;
    throw new CelError(firstLine(error), { cause: error });
  }
}

/**
 * Why a part of the expression that never changes has no value: a conversion or a pattern that cannot be. Such is told to
 * the author of an expression; one that was stored runs into it, if it does.
 */
export function constantProblem({ ast }: CelProgram): string | undefined {
  for (const source of constantConversionsIn(ast)) {
    try {
      const parsed = base.parse(source);
      if (withReplacements(parsed.ast, parsed.check).valid) run(() => parsed({}));
    } catch (error) {
      if (error instanceof CelError) return error.message;
      throw error;
    }
  }
  return patternProblem(ast);
}

/** Separates values that cannot be parsed from values of the wrong type. */
function parse(environment: Environment, source: string) {
  try {
    return environment.parse(source);
  } catch (error) {
    throw new CelError(`Syntax error: ${firstLine(error)}`, { cause: error });
  }
}

function run(evaluate: () => unknown): unknown {
  try {
    return withBudget(evaluate);
  } catch (error) {
    throw new CelError(firstLine(error).replace(/^No such key/, 'no such key'), { cause: error });
  }
}

/** The library shows the source below its message. */
function firstLine(error: unknown): string {
  return withOwnNames(messageOf(error).split('\n', 1)[0]!);
}

const some = base.clone().registerVariable('value', 'dyn').parse('optional.of(value)');
const none = base.clone().parse('optional.none()');

/** CEL's optional value; undefined is none. */
export function celOptional(value: unknown): unknown {
  return value === undefined ? none({}) : some({ value });
}

/** Validation of a custom resource by what one version of its definition states: schema, rules, and scale. */
import { type CelTimes, type RuleResults, SchemaRules } from '../../api/cel/rules.ts';
import type { KubeObject } from '../../api/meta.ts';
import { asJsonObject } from '../../api/schema/decode.ts';
import { validateEmbedded } from '../../api/structural/embedded.ts';
import type { StructuralSchema } from '../../api/structural/schema.ts';
import { validateListItems } from '../../api/structural/unlike-items.ts';
import { validateStructureInSteps } from '../../api/structural/validate.ts';
import type { CustomResourceDefinitionVersion } from '../../api/types/apiextensions-v1.gen.ts';
import {
  type FieldError,
  type FieldErrors,
  type FieldErrorType,
  invalidValue,
} from '../../api/validation/field-error.ts';
import type { ResourceCodec } from '../registry/conversion/codec.ts';
import { convertedNow, type VersionConverter } from '../registry/conversion/version-converter.ts';
import { nestedCount, nestedString } from './nested-value.ts';

export type CustomObject = KubeObject & Record<string, unknown>;

type ScalePaths = NonNullable<NonNullable<CustomResourceDefinitionVersion['subresources']>['scale']>;

export interface VersionValidatorOptions {
  apiVersion: string;
  codec: ResourceCodec;
  schema: StructuralSchema | undefined;
  scale: ScalePaths | undefined;
  /** Without one an object looks the same in all versions. */
  converter: VersionConverter | undefined;
  times: CelTimes;
}

/** What one version has to say of an object, as that version shows it. */
export class VersionValidator {
  readonly #options: VersionValidatorOptions;
  readonly #rules: SchemaRules | undefined;
  /** Of an object that was validated: what the client is to know that is no error. */
  readonly #warnings = new WeakMap<CustomObject, readonly string[]>();

  constructor(options: VersionValidatorOptions) {
    this.#options = options;
    this.#rules = options.schema && new SchemaRules(options.schema, options.times);
  }

  /** Of the stored version; the object may be large. @throws ConversionNeeded */
  *validateInSteps(
    object: CustomObject,
    old: CustomObject | undefined,
  ): Generator<void, readonly FieldError[]> {
    const { schema, scale } = this.#options;
    const shown = this.#shown(object);
    const { errors, warnings } = schema
      ? yield* validateContent(schema, this.#rules, shown, old && this.#shown(old))
      : nothing;
    if (warnings.length > 0)
      this.#warnings.set(
        object,
        warnings.map(({ text }) => text),
      );
    return scale ? [...errors, ...validateScale(shown, scale)] : errors;
  }

  warningsOf(object: CustomObject): readonly string[] {
    return this.#warnings.get(object) ?? [];
  }

  #shown(object: CustomObject): CustomObject {
    const { converter, codec, apiVersion } = this.#options;
    if (!converter || object.apiVersion === apiVersion) return object;
    const converted = convertedNow(converter, object, apiVersion);
    return (codec.refresh?.(converted) ?? converted) as CustomObject;
  }
}

const nothing: RuleResults = { errors: [], warnings: [] };

function* validateContent(
  schema: StructuralSchema,
  rules: SchemaRules | undefined,
  object: CustomObject,
  old: CustomObject | undefined,
): Generator<void, RuleResults> {
  const duplicates = [...validateListItems(schema, object)];
  yield;
  const structural = yield* validateStructureInSteps(schema, object, old);
  yield;
  const errors = [
    ...structural,
    ...validateEmbedded(schema, asJsonObject(object)),
    ...(duplicates.length > 0 && old && hasDuplicates(schema, old) ? [] : duplicates),
  ];
  if (!rules || rules.isEmpty) return { errors, warnings: [] };
  yield;
  if (!errors.some(({ type }) => blocking.has(type))) {
    const found = rules.validate(object, old);
    return { errors: [...errors, ...found.errors], warnings: found.warnings };
  }
  const why =
    'some validation rules were not checked because the object was invalid; correct the existing errors to complete validation';
  return { errors: [...errors, invalidValue('<nil>', null, why)], warnings: [] };
}

/** Of an object like this, rules cannot be asked. */
const blocking: ReadonlySet<FieldErrorType> = new Set([
  'FieldValueNotSupported',
  'FieldValueRequired',
  'FieldValueTooLong',
  'FieldValueTooMany',
  'FieldValueTypeInvalid',
] as const);

/** What was there before is not held against a change. */
function hasDuplicates(schema: StructuralSchema, old: CustomObject): boolean {
  return validateListItems(schema, old).next().done !== true;
}

const countMax = 2 ** 31 - 1;

function* validateScale(object: CustomObject, scale: ScalePaths): FieldErrors {
  for (const path of [scale.specReplicasPath, scale.statusReplicasPath]) {
    const found = nestedCount(object, path);
    if ('problem' in found) yield invalidValue(path, 0, found.problem);
    else if ('absent' in found) continue;
    else if (found.value < 0) yield invalidValue(path, found.value, 'should be a non-negative integer');
    else if (found.value > countMax)
      yield invalidValue(path, found.value, `should be less than or equal to ${countMax}`);
  }
  const { labelSelectorPath } = scale;
  const selector = labelSelectorPath && nestedString(object, labelSelectorPath);
  if (selector && 'problem' in selector) yield invalidValue(labelSelectorPath, '', selector.problem);
}

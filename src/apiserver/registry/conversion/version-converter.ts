/**
 * Conversions that take time, because a webhook makes them. Code that works on objects is synchronous and stays so: it
 * uses conversions made before, and where one is missing, it is interrupted, the conversion is made, and it runs again.
 */
import type { KubeObject } from '../../../api/meta.ts';

export interface VersionConverter {
  /** An own copy of `object` in another version, when it was converted lately. */
  known(object: KubeObject, apiVersion: string): KubeObject | undefined;
  /** @throws StatusError when they cannot be converted */
  convert(objects: readonly KubeObject[], apiVersion: string): Promise<KubeObject[]>;
}

/** Thrown by synchronous work that needs an object in another version. */
class ConversionNeeded extends Error {
  readonly converter: VersionConverter;
  readonly object: KubeObject;
  readonly apiVersion: string;

  constructor(converter: VersionConverter, object: KubeObject, apiVersion: string) {
    super(`${object.kind} has to be converted to ${apiVersion} first`);
    this.name = 'ConversionNeeded';
    this.converter = converter;
    this.object = object;
    this.apiVersion = apiVersion;
  }
}

/** More conversions than one piece of work can need: one per version and manager of an object. */
const conversionsMax = 64;

/**
 * The outcome of `work`, which may be done several times; `warnings` are those of its last run. A promise only where
 * the work takes time, or something has to be converted: for nearly no write it has.
 */
export function converting<T>(work: () => T | Promise<T>, warnings: string[] = []): T | Promise<T> {
  const warningsBefore = warnings.length;
  const convert = (error: unknown): Promise<T> => {
    if (!(error instanceof ConversionNeeded)) throw error;
    warnings.length = warningsBefore;
    return convertAndRepeat(work, warnings);
  };
  try {
    const outcome = work();
    return outcome instanceof Promise ? outcome.catch(convert) : outcome;
  } catch (error) {
    return convert(error);
  }
}

async function convertAndRepeat<T>(work: () => T | Promise<T>, warnings: string[]): Promise<T> {
  const warningsBefore = warnings.length;
  for (let conversions = 0; ; conversions++) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof ConversionNeeded) || conversions === conversionsMax) throw error;
      await error.converter.convert([error.object], error.apiVersion);
      warnings.length = warningsBefore;
    }
  }
}

/** @throws ConversionNeeded */
export function convertedNow(
  converter: VersionConverter,
  object: KubeObject,
  apiVersion: string,
): KubeObject {
  const known = converter.known(object, apiVersion);
  if (!known) throw new ConversionNeeded(converter, structuredClone(object), apiVersion);
  return known;
}

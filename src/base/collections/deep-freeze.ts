/** Freezes shared values, so that they cannot be changed. */

/** Freezes a value and all it holds; what is frozen already counts as frozen throughout. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const key in value) {
    const part = value[key];
    if (typeof part === 'object') deepFreeze(part);
  }
  return value;
}

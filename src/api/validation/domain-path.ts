/** Names of controllers: a domain and a path. */
import { type FieldErrors, invalidValue, required } from './field-error.ts';
import { invalidFor } from './fields.ts';
import { httpPathProblems, subdomainProblems } from './names.ts';

/** `example.com/controller`; the error shows the part that is wrong. */
export function* validateDomainPrefixedPath(value: string, field: string): FieldErrors {
  if (!value) {
    yield required(field);
    return;
  }
  const slash = value.indexOf('/');
  if (slash <= 0 || slash === value.length - 1) {
    yield invalidValue(field, value, 'must be a domain-prefixed path (such as "acme.io/foo")');
    return;
  }
  const [host, path] = [value.slice(0, slash), value.slice(slash + 1)];
  yield* invalidFor(field, host, subdomainProblems(host));
  yield* invalidFor(field, path, httpPathProblems(path));
}

/** Names of signers of certificates: a domain and a name in it. */
import { type FieldErrors, invalidValue, required, tooLong } from './field-error.ts';
import { dnsLabelProblems, subdomainLengthMax, subdomainProblems } from './names.ts';

const signerForm = "must be a fully qualified domain and path of the form 'example.com/signer-name'";

export function* validateSignerName(name: string, field: string): FieldErrors {
  if (!name) {
    yield required(field);
    return;
  }
  const [domain = '', path, ...more] = name.split('/');
  if (path === undefined || more.length > 0) {
    yield invalidValue(field, name, signerForm);
    return;
  }
  if (domain.length > subdomainLengthMax) yield tooLong(field, subdomainLengthMax);
  yield* validateParts(field, domain, dnsLabelProblems);
  if (!domain.includes('.'))
    yield invalidValue(field, domain, 'should be a domain with at least two segments separated by dots');
  yield* validateParts(field, path, subdomainProblems);
}

/** Of the parts between dots, the first that is wrong. */
function* validateParts(
  field: string,
  value: string,
  problemsOf: (part: string) => readonly string[],
): FieldErrors {
  for (const part of value.split('.')) {
    const problems = problemsOf(part);
    for (const problem of problems)
      yield invalidValue(field, value, `validating label ${JSON.stringify(part)}: ${problem}`);
    if (problems.length > 0) return;
  }
}

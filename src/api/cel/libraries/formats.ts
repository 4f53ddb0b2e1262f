/** Kubernetes' named formats: `format.dns1123Label().validate(text)` returns the problems, or none. */
import type { Environment } from '@marcbachmann/cel-js';
import { goQuote } from '../../../base/text/go-quote.ts';
import { matchesFormat } from '../../structural/formats.ts';
import {
  dns1035LabelProblems,
  dnsLabelProblems,
  labelValueProblems,
  qualifiedNameProblems,
  subdomainProblems,
} from '../../validation/names.ts';

/** The namespace `format`: the library knows methods only, so its functions are methods of a constant. */
class Formats {}

class Format {
  readonly name: string;
  readonly problemsOf: (text: string) => readonly string[];
  constructor(name: string, problemsOf: (text: string) => readonly string[]) {
    this.name = name;
    this.problemsOf = problemsOf;
  }
}

/** What a name is generated from may end in a dash. */
const asPrefix = (problemsOf: (text: string) => readonly string[]) => (text: string) =>
  problemsOf(text.replace(/(?<=^.+)-$/s, 'a'));

const byOpenApi = (name: string, problem: (text: string) => string) => (text: string) =>
  matchesFormat(name, text) ? [] : [problem(text)];

const formats = new Map(
  Object.entries({
    dns1123Label: dnsLabelProblems,
    dns1123Subdomain: subdomainProblems,
    dns1035Label: dns1035LabelProblems,
    qualifiedName: qualifiedNameProblems,
    dns1123LabelPrefix: asPrefix(dnsLabelProblems),
    dns1123SubdomainPrefix: asPrefix(subdomainProblems),
    dns1035LabelPrefix: asPrefix(dns1035LabelProblems),
    labelValue: labelValueProblems,
    uri: byOpenApi('uri', (text) => `parse ${goQuote(text)}: invalid URI for request`),
    uuid: byOpenApi('uuid', () => 'does not match the UUID format'),
    byte: byOpenApi('byte', () => 'invalid base64'),
    date: byOpenApi('date', () => 'invalid date'),
    datetime: byOpenApi('date-time', () => 'invalid datetime'),
  }).map(([name, problemsOf]) => [name, new Format(name, problemsOf)]),
);

/** `optional`: makes the library's optional value. */
export function registerFormats(environment: Environment, optional: (value: unknown) => unknown): void {
  environment
    .registerType('kubernetes.Formats', Formats)
    .registerType('kubernetes.NamedFormat', Format)
    .registerConstant('format', 'kubernetes.Formats', new Formats())
    .registerFunction(
      'kubernetes.Formats.named(string): optional<kubernetes.NamedFormat>',
      (_: Formats, name: string) => optional(formats.get(name)),
    )
    .registerFunction(
      'kubernetes.NamedFormat.validate(string): optional<list<string>>',
      (format: Format, text: string) => {
        const problems = format.problemsOf(text);
        return optional(problems.length > 0 ? [...problems] : undefined);
      },
    );
  for (const [name, format] of formats)
    environment.registerFunction(`kubernetes.Formats.${name}(): kubernetes.NamedFormat`, () => format);
}
